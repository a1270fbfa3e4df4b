// Vectors of many threads side by side: neighbouring threads touch neighbouring addresses.
#pragma once

namespace qmis {

// Entry i lies i * stride numbers after the first one.
template <class Number>
struct Strided {
    Number* start;
    long long stride;
    __device__ Number& operator[](long long i) const { return start[i * stride]; }
};

}  // namespace qmis
