/* Mixed-radix Stockham autosort FFT, OpenCL C 1.2, single precision.
 *
 * The host puts a few #define lines in front of this text and so gets one of two programs:
 *
 *   FFT_LENGTH defined      kernels specialised to one line length.  A work-group keeps FFT_LINES
 *                           lines in local memory through all passes, so that each value crosses
 *                           global memory once in and once out.
 *   FFT_LENGTH not defined  one kernel per pass through global memory, for lines that do not fit.
 *
 * A pass of radix R over a line of N values whose transforms of length `span` are done takes, for
 * each j < N / R, the values j + r N / R (r < R), multiplies them by the twiddle factors, applies
 * a transform of length R and puts the results at (j / span) span R + j % span + r span.  After
 * the last pass the values are in natural order; see Govindaraju et al. (2008), "High performance
 * discrete Fourier transforms on graphics processors", SC '08.
 *
 * All passes are forward transforms; the inverse one is conj(forward(conj(x))).
 */

static float2 multiply(const float2 a, const float2 b)
{
    return (float2)(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

static float2 conjugate(const float2 a)
{
    return (float2)(a.x, -a.y);
}

static float2 times_minus_i(const float2 a)
{
    return (float2)(a.y, -a.x);
}

/* ---- transforms of a few values held in registers ---- */

static void transform_2(float2 *v)
{
    const float2 a = v[0];
    v[0] = a + v[1];
    v[1] = a - v[1];
}

static void transform_4(float2 *v)
{
    const float2 a = v[0] + v[2];
    const float2 b = v[0] - v[2];
    const float2 c = v[1] + v[3];
    const float2 d = times_minus_i(v[1] - v[3]);
    v[0] = a + c;
    v[1] = b + d;
    v[2] = a - c;
    v[3] = b - d;
}

static void transform_8(float2 *v)
{
    const float half_root = 0.70710678118654752f;
    float2 even[4] = {v[0], v[2], v[4], v[6]};
    float2 odd[4] = {v[1], v[3], v[5], v[7]};
    transform_4(even);
    transform_4(odd);
    odd[1] = half_root * (float2)(odd[1].x + odd[1].y, odd[1].y - odd[1].x);
    odd[2] = times_minus_i(odd[2]);
    odd[3] = half_root * (float2)(odd[3].y - odd[3].x, -odd[3].x - odd[3].y);
    v[0] = even[0] + odd[0];
    v[1] = even[1] + odd[1];
    v[2] = even[2] + odd[2];
    v[3] = even[3] + odd[3];
    v[4] = even[0] - odd[0];
    v[5] = even[1] - odd[1];
    v[6] = even[2] - odd[2];
    v[7] = even[3] - odd[3];
}

/* For odd R the sums and differences of the values m and R - m need only real factors:
 * cos(2 pi k m / R) for the sums and sin(2 pi k m / R) for the differences. */

static void transform_3(float2 *v)
{
    const float c1 = -0.5f;
    const float s1 = 0.86602540378443865f;
    const float2 sum = v[1] + v[2];
    const float2 middle = v[0] + c1 * sum;
    const float2 side = times_minus_i(s1 * (v[1] - v[2]));
    v[0] = v[0] + sum;
    v[1] = middle + side;
    v[2] = middle - side;
}

static void transform_5(float2 *v)
{
    const float c1 = 0.30901699437494742f, c2 = -0.80901699437494742f;
    const float s1 = 0.95105651629515357f, s2 = 0.58778525229247313f;
    const float2 sum1 = v[1] + v[4], sum2 = v[2] + v[3];
    const float2 dif1 = v[1] - v[4], dif2 = v[2] - v[3];
    const float2 middle1 = v[0] + c1 * sum1 + c2 * sum2;
    const float2 middle2 = v[0] + c2 * sum1 + c1 * sum2;
    const float2 side1 = times_minus_i(s1 * dif1 + s2 * dif2);
    const float2 side2 = times_minus_i(s2 * dif1 - s1 * dif2);
    v[0] = v[0] + sum1 + sum2;
    v[1] = middle1 + side1;
    v[2] = middle2 + side2;
    v[3] = middle2 - side2;
    v[4] = middle1 - side1;
}

static void transform_7(float2 *v)
{
    const float c1 = 0.62348980185873353f, c2 = -0.22252093395631440f, c3 = -0.90096886790241913f;
    const float s1 = 0.78183148246802981f, s2 = 0.97492791218182361f, s3 = 0.43388373911755812f;
    const float2 sum1 = v[1] + v[6], sum2 = v[2] + v[5], sum3 = v[3] + v[4];
    const float2 dif1 = v[1] - v[6], dif2 = v[2] - v[5], dif3 = v[3] - v[4];
    const float2 middle1 = v[0] + c1 * sum1 + c2 * sum2 + c3 * sum3;
    const float2 middle2 = v[0] + c2 * sum1 + c3 * sum2 + c1 * sum3;
    const float2 middle3 = v[0] + c3 * sum1 + c1 * sum2 + c2 * sum3;
    const float2 side1 = times_minus_i(s1 * dif1 + s2 * dif2 + s3 * dif3);
    const float2 side2 = times_minus_i(s2 * dif1 - s3 * dif2 - s1 * dif3);
    const float2 side3 = times_minus_i(s3 * dif1 - s1 * dif2 + s2 * dif3);
    v[0] = v[0] + sum1 + sum2 + sum3;
    v[1] = middle1 + side1;
    v[2] = middle2 + side2;
    v[3] = middle3 + side3;
    v[4] = middle3 - side3;
    v[5] = middle2 - side2;
    v[6] = middle1 - side1;
}

/* `radix` is a number wherever this is called, so the choice is made at compile time.  A line of
 * one value has the radix 1, which leaves it as it is. */
static void transform_values(const uint radix, float2 *v)
{
    switch (radix) {
    case 2: transform_2(v); break;
    case 3: transform_3(v); break;
    case 4: transform_4(v); break;
    case 5: transform_5(v); break;
    case 7: transform_7(v); break;
    case 8: transform_8(v); break;
    default: break;
    }
}

/* ---- real lines of even length n as complex lines of n / 2 (sample pairs) ----
 *
 * With z[k] the transform of the pairs and h = n / 2, the spectrum is
 *   X[k] = (z[k] + conj z[h - k]) / 2 - i w^k (z[k] - conj z[h - k]) / 2,  w = exp(-2 pi i / n),
 * indices of z taken modulo h; see Press et al., Numerical Recipes, section 12.3. */

static float2 split_pairs(const float2 z, const float2 mirrored, const float2 w)
{
    const float2 even = z + conjugate(mirrored);
    const float2 odd = times_minus_i(z - conjugate(mirrored));
    return 0.5f * (even + multiply(w, odd));
}

/* The way back, times two: with the unnormalised transform of length h that makes n in all.
 * The result is conjugated, ready for the forward passes. */
static float2 merge_pairs(const float2 x, const float2 mirrored, const float2 w)
{
    const float2 even = x + conjugate(mirrored);
    const float2 odd = multiply(conjugate(w), x - conjugate(mirrored));
    return conjugate(even - times_minus_i(odd));
}

/* A real signal has real first and (even length) last values; like other FFT libraries, ignore
 * whatever imaginary parts the caller has left there. */
static float2 merged_value(
    __global const float2 *line,
    const uint k,
    const uint half_length,
    __global const float2 *twiddles)
{
    float2 x = line[k];
    float2 mirrored = line[half_length - k];
    if (k == 0) {
        x.y = 0.0f;
        mirrored.y = 0.0f;
    }
    return merge_pairs(x, mirrored, twiddles[k]);
}

/* Value k of the conjugated full spectrum of an odd real line, of which values 0 ... n / 2 are
 * stored. */
static float2 mirrored_value(__global const float2 *line, const uint k, const uint length)
{
    if (k == 0) {
        return (float2)(line[0].x, 0.0f);
    }
    return k <= length / 2 ? conjugate(line[k]) : line[length - k];
}

#ifdef FFT_LENGTH

/* ======================= lines in local memory =======================
 *
 * The host defines
 *   FFT_LENGTH           complex values in a line
 *   FFT_SAMPLES          real program only: real values in a line
 *   FFT_LINES            lines in a work-group
 *   FFT_WORK_ITEMS       work-items in a work-group
 *   FFT_VALUES_PER_ITEM  the most values a work-item holds in any pass
 *   FFT_TURNS_2, ...     for each radix: the most butterflies of it that a work-item does
 *   FFT_TABLE_LENGTH     entries in the twiddle table, a multiple of FFT_LENGTH
 *   FFT_FIRST_RADIX, FFT_LAST_RADIX
 *   FFT_LATER_PASSES     NEXT_PASS(radix before, span before, radix, span) for each pass but the
 *                        first
 */

#define BUTTERFLIES(radix) (FFT_LINES * FFT_LENGTH / (radix))

/* Neighbouring work-items must touch neighbouring addresses: along the line for rows, across the
 * lines for the strided axes.  These are the line of butterfly b and its j, see above. */
#ifdef FFT_SAMPLES
#define LINE(radix) (b / (FFT_LENGTH / (radix)))
#define FIRST(radix) (b % (FFT_LENGTH / (radix)))
#define POSITION(line, k) ((line) * FFT_LENGTH + (k))
#else
#define LINE(radix) (b % FFT_LINES)
#define FIRST(radix) (b / FFT_LINES)
#define POSITION(line, k) ((k) * FFT_LINES + (line))
#endif

/* Where value r of a butterfly comes from and where it goes. */
#define SOURCE(r, radix) (FIRST(radix) + (r) * (FFT_LENGTH / (radix)))
#define TARGET(r, radix, span)                                                                    \
    (FIRST(radix) / (span) * ((span) * (radix)) + FIRST(radix) % (span) + (r) * (span))
#define LAST_SPAN (FFT_LENGTH / FFT_LAST_RADIX)

/* One value of padding after every 16 spreads the strides 8 and 16 over the memory banks. */
#define TILE_VALUES (FFT_LINES * FFT_LENGTH + FFT_LINES * FFT_LENGTH / 16)
#define SLOT(line, k) (POSITION(line, k) + POSITION(line, k) / 16)

/* A work-item keeps its values of a pass in `v` while the tile is overwritten.  They stay in
 * registers only if every index of v is a number, so the loops over butterflies ("turns") and
 * values are written out by the preprocessor; not all compilers unroll them of their own accord.
 *
 * INPUT(STEP, radix, span) does STEP(value, r, radix, span) for all values of the work-item, then
 * the short transforms; OUTPUT does the steps only.  Steps see `b`, the number of the butterfly
 * in the work-group, and `value`, which is the index in v. */
#define VALUES_1(STEP, turn, radix, span) STEP((turn) * (radix), 0, radix, span)
#define VALUES_2(STEP, turn, radix, span)                                                         \
    VALUES_1(STEP, turn, radix, span) STEP((turn) * (radix) + 1, 1, radix, span)
#define VALUES_3(STEP, turn, radix, span)                                                         \
    VALUES_2(STEP, turn, radix, span) STEP((turn) * (radix) + 2, 2, radix, span)
#define VALUES_4(STEP, turn, radix, span)                                                         \
    VALUES_3(STEP, turn, radix, span) STEP((turn) * (radix) + 3, 3, radix, span)
#define VALUES_5(STEP, turn, radix, span)                                                         \
    VALUES_4(STEP, turn, radix, span) STEP((turn) * (radix) + 4, 4, radix, span)
#define VALUES_6(STEP, turn, radix, span)                                                         \
    VALUES_5(STEP, turn, radix, span) STEP((turn) * (radix) + 5, 5, radix, span)
#define VALUES_7(STEP, turn, radix, span)                                                         \
    VALUES_6(STEP, turn, radix, span) STEP((turn) * (radix) + 6, 6, radix, span)
#define VALUES_8(STEP, turn, radix, span)                                                         \
    VALUES_7(STEP, turn, radix, span) STEP((turn) * (radix) + 7, 7, radix, span)

#define INPUT_TURN(turn, STEP, radix, span)                                                       \
    {                                                                                             \
        const uint b = get_local_id(0) + (turn) * FFT_WORK_ITEMS;                                 \
        if (b < BUTTERFLIES(radix)) {                                                             \
            VALUES_##radix(STEP, turn, radix, span)                                               \
            transform_values(radix, v + (turn) * (radix));                                        \
        }                                                                                         \
    }
#define OUTPUT_TURN(turn, STEP, radix, span)                                                      \
    {                                                                                             \
        const uint b = get_local_id(0) + (turn) * FFT_WORK_ITEMS;                                 \
        if (b < BUTTERFLIES(radix)) {                                                             \
            VALUES_##radix(STEP, turn, radix, span)                                               \
        }                                                                                         \
    }

#define TURNS_1(TURN, STEP, radix, span) TURN(0, STEP, radix, span)
#define TURNS_2(TURN, STEP, radix, span)                                                          \
    TURNS_1(TURN, STEP, radix, span) TURN(1, STEP, radix, span)
#define TURNS_3(TURN, STEP, radix, span)                                                          \
    TURNS_2(TURN, STEP, radix, span) TURN(2, STEP, radix, span)
#define TURNS_4(TURN, STEP, radix, span)                                                          \
    TURNS_3(TURN, STEP, radix, span) TURN(3, STEP, radix, span)
#define TURNS_5(TURN, STEP, radix, span)                                                          \
    TURNS_4(TURN, STEP, radix, span) TURN(4, STEP, radix, span)
#define TURNS_6(TURN, STEP, radix, span)                                                          \
    TURNS_5(TURN, STEP, radix, span) TURN(5, STEP, radix, span)
#define TURNS_7(TURN, STEP, radix, span)                                                          \
    TURNS_6(TURN, STEP, radix, span) TURN(6, STEP, radix, span)
#define TURNS_8(TURN, STEP, radix, span)                                                          \
    TURNS_7(TURN, STEP, radix, span) TURN(7, STEP, radix, span)
#define TURNS_9(TURN, STEP, radix, span)                                                          \
    TURNS_8(TURN, STEP, radix, span) TURN(8, STEP, radix, span)
#define TURNS_10(TURN, STEP, radix, span)                                                         \
    TURNS_9(TURN, STEP, radix, span) TURN(9, STEP, radix, span)
#define TURNS_11(TURN, STEP, radix, span)                                                         \
    TURNS_10(TURN, STEP, radix, span) TURN(10, STEP, radix, span)
#define TURNS_12(TURN, STEP, radix, span)                                                         \
    TURNS_11(TURN, STEP, radix, span) TURN(11, STEP, radix, span)
#define TURNS_13(TURN, STEP, radix, span)                                                         \
    TURNS_12(TURN, STEP, radix, span) TURN(12, STEP, radix, span)
#define TURNS_14(TURN, STEP, radix, span)                                                         \
    TURNS_13(TURN, STEP, radix, span) TURN(13, STEP, radix, span)
#define TURNS_15(TURN, STEP, radix, span)                                                         \
    TURNS_14(TURN, STEP, radix, span) TURN(14, STEP, radix, span)
#define TURNS_16(TURN, STEP, radix, span)                                                         \
    TURNS_15(TURN, STEP, radix, span) TURN(15, STEP, radix, span)

/* Two levels, for the preprocessor to replace `radix` and the count by numbers before it joins
 * them to names. */
#define TURNS_NUMBERED(count, TURN, STEP, radix, span) TURNS_##count(TURN, STEP, radix, span)
#define TURNS(count, TURN, STEP, radix, span) TURNS_NUMBERED(count, TURN, STEP, radix, span)
#define TURN_COUNT(radix) FFT_TURNS_##radix
#define INPUT(STEP, radix, span) TURNS(TURN_COUNT(radix), INPUT_TURN, STEP, radix, span)
#define OUTPUT(STEP, radix, span) TURNS(TURN_COUNT(radix), OUTPUT_TURN, STEP, radix, span)

#define PUT_IN_TILE(value, r, radix, span)                                                        \
    tile[SLOT(LINE(radix), TARGET(r, radix, span))] = v[value];

#define TAKE_FROM_TILE(value, r, radix, span)                                                     \
    v[value] = tile[SLOT(LINE(radix), SOURCE(r, radix))];                                         \
    if (r > 0) {                                                                                  \
        const uint phase = FIRST(radix) % (span) * (FFT_TABLE_LENGTH / ((span) * (radix)));       \
        v[value] = multiply(v[value], twiddles[r * phase]);                                       \
    }

#define NEXT_PASS(radix_before, span_before, radix, span)                                         \
    OUTPUT(PUT_IN_TILE, radix_before, span_before)                                                \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                 \
    INPUT(TAKE_FROM_TILE, radix, span)                                                            \
    barrier(CLK_LOCAL_MEM_FENCE);

#ifndef FFT_SAMPLES

#define FETCH_COMPLEX(value, r, radix, span)                                                      \
    v[value] = (float2)(0.0f);                                                                    \
    if (LINE(radix) < present) {                                                                  \
        v[value] = corner[SOURCE(r, radix) * inner + LINE(radix)];                                \
        v[value].y *= sign;                                                                       \
    }

#define STORE_COMPLEX(value, r, radix, span)                                                      \
    if (LINE(radix) < present) {                                                                  \
        v[value].y *= sign;                                                                       \
        corner[TARGET(r, radix, span) * inner + LINE(radix)] = v[value];                          \
    }

/* In place along an axis of an array seen as (outer, FFT_LENGTH, inner); one work-group for each
 * of the `tiles` runs of FFT_LINES neighbours in each outer slab.  `sign` is -1 for the inverse. */
__attribute__((reqd_work_group_size(FFT_WORK_ITEMS, 1, 1)))
__kernel void complex_lines(
    __global float2 *values,
    __global const float2 *twiddles,
    const ulong inner,
    const ulong tiles,
    const float sign)
{
    __local float2 tile[TILE_VALUES];
    float2 v[FFT_VALUES_PER_ITEM];
    const ulong outer = get_group_id(0) / tiles;
    const ulong first = get_group_id(0) % tiles * FFT_LINES;
    const uint present = (uint)min((ulong)FFT_LINES, inner - first);
    __global float2 *corner = values + (outer * FFT_LENGTH * inner + first);

    INPUT(FETCH_COMPLEX, FFT_FIRST_RADIX, 1)
    FFT_LATER_PASSES
    OUTPUT(STORE_COMPLEX, FFT_LAST_RADIX, LAST_SPAN)
}

#else

#define SPECTRUM_LENGTH (FFT_SAMPLES / 2 + 1)

#if FFT_SAMPLES % 2 == 0

#define SAMPLES_AT(line, k) vload2((line) * FFT_LENGTH + (k), samples)
#define SPECTRUM_AT(line, k)                                                                      \
    merged_value(source + (line) * SPECTRUM_LENGTH, k, FFT_LENGTH, twiddles)
#define KEEP_SAMPLES(z, line, k) vstore2(conjugate(z), (line) * FFT_LENGTH + (k), samples)

#else

#define SAMPLES_AT(line, k) (float2)(samples[(line) * FFT_SAMPLES + (k)], 0.0f)
#define SPECTRUM_AT(line, k) mirrored_value(source + (line) * SPECTRUM_LENGTH, k, FFT_LENGTH)
#define KEEP_SAMPLES(z, line, k) samples[(line) * FFT_SAMPLES + (k)] = (z).x

#endif

#define FETCH_SAMPLES(value, r, radix, span)                                                      \
    v[value] = (float2)(0.0f);                                                                    \
    if (LINE(radix) < present) {                                                                  \
        v[value] = SAMPLES_AT(LINE(radix), SOURCE(r, radix));                                     \
    }

#define FETCH_SPECTRUM(value, r, radix, span)                                                     \
    v[value] = (float2)(0.0f);                                                                    \
    if (LINE(radix) < present) {                                                                  \
        v[value] = scale * SPECTRUM_AT(LINE(radix), SOURCE(r, radix));                            \
    }

#define STORE_SAMPLES(value, r, radix, span)                                                      \
    if (LINE(radix) < present) {                                                                  \
        KEEP_SAMPLES(v[value], LINE(radix), TARGET(r, radix, span));                              \
    }

/* Rows of FFT_SAMPLES real values to rows of SPECTRUM_LENGTH complex ones. */
__attribute__((reqd_work_group_size(FFT_WORK_ITEMS, 1, 1)))
__kernel void real_rows_forward(
    __global const float *real,
    __global float2 *spectrum,
    __global const float2 *twiddles,
    const ulong rows)
{
    __local float2 tile[TILE_VALUES];
    float2 v[FFT_VALUES_PER_ITEM];
    const ulong first = get_group_id(0) * (ulong)FFT_LINES;
    const uint present = (uint)min((ulong)FFT_LINES, rows - first);
    __global const float *samples = real + first * FFT_SAMPLES;
    __global float2 *result = spectrum + first * SPECTRUM_LENGTH;

    INPUT(FETCH_SAMPLES, FFT_FIRST_RADIX, 1)
    FFT_LATER_PASSES
    OUTPUT(PUT_IN_TILE, FFT_LAST_RADIX, LAST_SPAN)
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = get_local_id(0); i < present * SPECTRUM_LENGTH; i += FFT_WORK_ITEMS) {
        const uint line = i / SPECTRUM_LENGTH;
        const uint k = i % SPECTRUM_LENGTH;
#if FFT_SAMPLES % 2 == 0
        const uint here = k == FFT_LENGTH ? 0 : k;
        const uint mirror = k == 0 ? 0 : FFT_LENGTH - k;
        result[i] = split_pairs(tile[SLOT(line, here)], tile[SLOT(line, mirror)], twiddles[k]);
#else
        result[i] = tile[SLOT(line, k)];
#endif
    }
}

/* The way back; `scale` is the reciprocal of the number of elements of the whole array. */
__attribute__((reqd_work_group_size(FFT_WORK_ITEMS, 1, 1)))
__kernel void real_rows_inverse(
    __global const float2 *spectrum,
    __global float *real,
    __global const float2 *twiddles,
    const ulong rows,
    const float scale)
{
    __local float2 tile[TILE_VALUES];
    float2 v[FFT_VALUES_PER_ITEM];
    const ulong first = get_group_id(0) * (ulong)FFT_LINES;
    const uint present = (uint)min((ulong)FFT_LINES, rows - first);
    __global const float2 *source = spectrum + first * SPECTRUM_LENGTH;
    __global float *samples = real + first * FFT_SAMPLES;

    INPUT(FETCH_SPECTRUM, FFT_FIRST_RADIX, 1)
    FFT_LATER_PASSES
    OUTPUT(STORE_SAMPLES, FFT_LAST_RADIX, LAST_SPAN)
}

#endif /* FFT_SAMPLES */

#else

/* ======================= passes through global memory =======================
 *
 * One work-item for each of `count` butterflies or values; the global size may be larger. */

static void global_pass(
    const uint radix,
    __global const float2 *source,
    __global float2 *target,
    __global const float2 *twiddles,
    const ulong count,
    const uint length,
    const uint span,
    const uint table_length,
    const ulong inner,
    const float sign)
{
    float2 v[8];
    const ulong id = get_global_id(0);
    if (id >= count) {
        return;
    }
    const uint per_line = length / radix;
    const ulong lane = id % inner;
    const uint j = (uint)(id / inner % per_line);
    const ulong corner = id / inner / per_line * length;

    for (uint r = 0; r < radix; ++r) {
        const float2 value = source[(corner + j + r * per_line) * inner + lane];
        v[r] = (float2)(value.x, sign * value.y);
    }
    const uint phase = j % span * (table_length / (span * radix));
    for (uint r = 1; r < radix; ++r) {
        v[r] = multiply(v[r], twiddles[r * phase]);
    }
    transform_values(radix, v);
    const uint first = j / span * span * radix + j % span;
    for (uint r = 0; r < radix; ++r) {
        target[(corner + first + r * span) * inner + lane] = (float2)(v[r].x, sign * v[r].y);
    }
}

/* One pass along the middle axis of an array seen as (outer, length, inner).  The inverse (sign
 * = -1) conjugates before and after each pass, which cancels between passes. */
__kernel void radix_pass(
    __global const float2 *source,
    __global float2 *target,
    __global const float2 *twiddles,
    const ulong count,
    const uint radix,
    const uint length,
    const uint span,
    const uint table_length,
    const ulong inner,
    const float sign)
{
#define CASE(constant)                                                                            \
    case constant:                                                                                \
        global_pass(constant, source, target, twiddles, count, length, span, table_length, inner, \
                    sign);                                                                        \
        break;
    switch (radix) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(7)
        CASE(8)
    }
}

/* Transformed sample pairs (rows of `length`) to the spectrum (rows of length + 1). */
__kernel void split_even_rows(
    __global const float2 *pairs,
    __global float2 *spectrum,
    __global const float2 *twiddles,
    const ulong count,
    const uint length)
{
    const ulong id = get_global_id(0);
    if (id >= count) {
        return;
    }
    const uint k = (uint)(id % (length + 1));
    __global const float2 *line = pairs + id / (length + 1) * length;
    spectrum[id] = split_pairs(
        line[k == length ? 0 : k], line[k == 0 ? 0 : length - k], twiddles[k]);
}

/* The spectrum to conjugated sample pairs to be transformed. */
__kernel void merge_even_rows(
    __global const float2 *spectrum,
    __global float2 *pairs,
    __global const float2 *twiddles,
    const ulong count,
    const uint length,
    const float scale)
{
    const ulong id = get_global_id(0);
    if (id >= count) {
        return;
    }
    const uint k = (uint)(id % length);
    __global const float2 *line = spectrum + id / length * (length + 1);
    pairs[id] = scale * conjugate(merged_value(line, k, length, twiddles));
}

/* Odd rows are transformed as complex ones with imaginary part zero. */
__kernel void widen_odd_rows(
    __global const float *real, __global float2 *values, const ulong count)
{
    const ulong id = get_global_id(0);
    if (id >= count) {
        return;
    }
    values[id] = (float2)(real[id], 0.0f);
}

__kernel void halve_odd_rows(
    __global const float2 *values,
    __global float2 *spectrum,
    const ulong count,
    const uint length)
{
    const ulong id = get_global_id(0);
    if (id >= count) {
        return;
    }
    const uint stored = length / 2 + 1;
    spectrum[id] = values[id / stored * length + id % stored];
}

__kernel void mirror_odd_rows(
    __global const float2 *spectrum,
    __global float2 *values,
    const ulong count,
    const uint length,
    const float scale)
{
    const ulong id = get_global_id(0);
    if (id >= count) {
        return;
    }
    __global const float2 *line = spectrum + id / length * (length / 2 + 1);
    values[id] = scale * conjugate(mirrored_value(line, (uint)(id % length), length));
}

__kernel void narrow_odd_rows(
    __global const float2 *values, __global float *real, const ulong count)
{
    const ulong id = get_global_id(0);
    if (id >= count) {
        return;
    }
    real[id] = values[id].x;
}

#endif /* FFT_LENGTH */
