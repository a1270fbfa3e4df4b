"""Coefficients shared by the compiled formulas and their NumPy reference."""

from __future__ import annotations

# Natural logarithm and exponential (the scheme of fdlibm): ln 2 in two parts, minimax coefficients.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
INVERSE_LN2 = 1.44269504088896338700e00
LOG_ODD = (
    6.666666666666735130e-01,
    2.857142874366239149e-01,
    1.818357216161805012e-01,
    1.479819860511658591e-01,
)
LOG_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
EXP = (
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)
LOG_SPLIT = 0x3FE6A09E00000000  # bits just below sqrt(1/2): arguments are reduced to [sqrt(1/2), sqrt(2))

# Normal quantiles: M. J. Wichura, Algorithm AS 241 (PPND16), Appl. Statist. 37 (1988), lowest degree first.
CENTRAL_NUMERATOR = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
CENTRAL_DENOMINATOR = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
TAIL_NUMERATOR = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
TAIL_DENOMINATOR = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
FAR_NUMERATOR = (
    6.65790464350110377720e0,
    5.46378491116411436990e0,
    1.78482653991729133580e0,
    2.96560571828504891230e-1,
    2.65321895265761230930e-2,
    1.24266094738807843860e-3,
    2.71155556874348757815e-5,
    2.01033439929228813265e-7,
)
FAR_DENOMINATOR = (
    1.0,
    5.99832206555887937690e-1,
    1.36929880922735805310e-1,
    1.48753612908506148525e-2,
    7.86869131145613259100e-4,
    1.84631831751005468180e-5,
    1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)

# Error function: W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969).
ERF_NUMERATOR = (
    3.16112374387056560e00,
    1.13864154151050156e02,
    3.77485237685302021e02,
    3.20937758913846947e03,
    1.85777706184603153e-1,
)
ERF_DENOMINATOR = (
    2.36012909523441209e01,
    2.44024637934444173e02,
    1.28261652607737228e03,
    2.84423683343917062e03,
)
ERFCX_NUMERATOR = (
    5.64188496988670089e-1,
    8.88314979438837594e00,
    6.61191906371416295e01,
    2.98635138197400131e02,
    8.81952221241769090e02,
    1.71204761263407058e03,
    2.05107837782607147e03,
    1.23033935479799725e03,
    2.15311535474403846e-8,
)
ERFCX_DENOMINATOR = (
    1.57449261107098347e01,
    1.17693950891312499e02,
    5.37181101862009858e02,
    1.62138957456669019e03,
    3.29079923573345963e03,
    4.36261909014324716e03,
    3.43936767414372164e03,
    1.23033935480374942e03,
)
ERFCX_FAR_NUMERATOR = (
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
    1.63153871373020978e-2,
)
ERFCX_FAR_DENOMINATOR = (
    2.56852019228982242e00,
    1.87295284992346725e00,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)

# log n! - (n log n - n + log(2 pi n)/2), n = 0..15 (n = 0 is never used), then its asymptotic series in 1/n:
# C. Loader, Fast and accurate computation of binomial probabilities (2000).
STIRLING_TABLE = (
    0.0,
    0.08106146679532725822,
    0.041340695955409294094,
    0.027677925684998339149,
    0.020790672103765093112,
    0.016644691189821192163,
    0.013876128823070747999,
    0.011896709945891770095,
    0.010411265261972096497,
    0.0092554621827127329177,
    0.0083305634333628712565,
    0.007573675487951840795,
    0.0069428401072095298657,
    0.0064089941880042070684,
    0.0059513701127588477356,
    0.005554733551962801371,
)
STIRLING_SERIES = (1.0 / 12.0, 1.0 / 360.0, 1.0 / 1260.0, 1.0 / 1680.0, 1.0 / 1188.0)

LOG_SQRT_2PI = 0.9189385332046727418
SQRT_2PI = 2.5066282746310005024
SQRT_HALF = 0.7071067811865475244
SQRT_HALF_PI = 1.2533141373155002512
INVERSE_SQRT_PI = 0.56418958354775628695
TWO_PI = 6.2831853071795864769

# Choices that decide bits: every backend has to make the same.
NEGLIGIBLE = 1e-20  # the binomial search stops on a side where probabilities fall below: far below 2^-53
PAIR_BLOCK = 1024  # sums over pairs are added within blocks of this length, then the blocks in order
SIGN_GROUP = 8  # signed sums: so many consecutive points are added from left to right,
SIGN_STRETCH = 512  # and their groups from left to right within stretches of this length, the stretches in order
POWER_BLOCK = 1024  # sums of powers are added within blocks of this length, then the blocks in order
ROUNDING = 2.0**-52  # between neighbouring numbers from 1 to 2: the unit of bounds on rounding

SQUEEZE = 0.0331  # of G. Marsaglia and W. W. Tsang: gamma numbers that are accepted without a logarithm

LANES = 8  # sums over points or draws run in this many interleaved partial sums

# Logistic fits.
LARGEST_PREDICTOR = 708.0  # beyond, the smaller probability is that of this one
TO_INTEGER = 6755399441055744.0  # 1.5 2^52: added to a small number, it puts the nearest integer into the last bits
SAFE_MOVE = 1.5  # a step that moves no linear predictor further raises the likelihood
SMALLEST_PIVOT = 2.0**-40  # relative to the diagonal: below, columns are taken as dependent
SMALLEST_STEP = 2.0**-60
SLACK = 2.0**-36  # by how much a direction of recession may worsen a point
SMALLEST_MARGIN = 2.0**-1000  # products below may have underflowed

# Log likelihood ratios are interpolated at the zeros of Chebyshev's polynomial of degree 14: cos(m pi / 28), m = 0..14.
COSINES = (
    1.0,
    0.9937122098932425835331,
    0.9749279121818236070181,
    0.9438833303083675628953,
    0.9009688679024191262361,
    0.8467241992282841683528,
    0.7818314824680298087084,
    0.7071067811865475244008,
    0.623489801858733530525,
    0.5320320765153365635576,
    0.4338837391175581204758,
    0.3302790619551670817749,
    0.2225209339563144042889,
    0.1119644761033078584687,
    0.0,
)
DEGREE = 13
REACH = 8.25  # beyond every normal of the generator

# Read-outs of a quantized fit: Gauss-Hermite rule for a standard normal, and the grid on which ratios are tabulated.
HERMITE = 7
HERMITE_NODES = (
    -3.7504397177257425,
    -2.366759410734541,
    -1.1544053947399682,
    0.0,
    1.1544053947399682,
    2.366759410734541,
    3.7504397177257425,
)
HERMITE_WEIGHTS = (
    0.000548268855972217,
    0.03075712396758652,
    0.2401231786050127,
    0.45714285714285724,
    0.2401231786050127,
    0.03075712396758652,
    0.000548268855972217,
)
GRID_HALF = 16  # nodes on each side of the centre of a member's law
GRID_STEP = 0.375  # in standard deviations of that law
PAIR_LINES = 7  # of a pair of read-outs: lines on each side of the centre
PAIR_LINE_STEP = 0.75
PAIR_HALF = 10  # nodes on each side of the centre of a line
PAIR_STEP = 0.5
PAIR_REACH = 27.5  # squared standard deviations from the centre, within which nodes count
RATIO_BINS = 1024  # uniform in asinh(L / RATIO_UNIT), for |L| up to 40
RATIO_UNIT = 0.02
RATIO_REACH = 8.294049702602022  # asinh(40 / RATIO_UNIT)
MASS_UNIT = 1099511627776.0  # masses are counted in units of its reciprocal
LARGEST_CORRELATION = 0.999499874937461  # a bent read-out has some noise beside the fitted value
LEAST_VARIANCE = 1e-12
BENT = 2e-3  # change of the slope of the proximal map below which it counts as linear
NEWTON_STEPS = 100
CENTRE_STEPS = 3
EXPONENT_SHIFT = 8.0
INVERSE_SQRT_2PI = 0.3989422804014327
LARGEST_EXPONENT = 700.0
PROXIMAL_TOLERANCE = 1e-14
