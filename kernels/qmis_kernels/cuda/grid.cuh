// How the items of a kernel are divided among threads: any grid covers any number of items.
#pragma once

#define FOR_EACH(item, items)                                                               \
    for (long long item = (long long)blockIdx.x * blockDim.x + threadIdx.x; item < (items); \
         item += (long long)gridDim.x * blockDim.x)
