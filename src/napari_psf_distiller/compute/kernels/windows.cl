/* The light of beads in windows about them, and its adjoint, as `BeadWindows` in windows.py says.
 *
 * The host defines
 *   WIDTH   values that a work-item has side by side in a vector: 4, 8 or 16
 *   PIXELS  light, light_adjoint: pixels of a work-item
 *
 * Arrays are C order, last axis fastest. A window has `pixels` of them in each of its `depth`
 * planes. The sums of functions at the tables' places are (terms, places, pitch): a wave's in each
 * of the first `count` columns; what is behind them is 0. A pixel lies between two places of the
 * tables, at the row before it, (beads, pixels), and a fraction of the way to the next one. The
 * units are the cosine and the sine of the pixels' angles about the axis. */

#define JOINED(a, b) a##b
#define NAMED(a, b) JOINED(a, b)
typedef NAMED(float, WIDTH) vector;
#define LOAD(pointer) NAMED(vload, WIDTH)(0, pointer)
#define STORE(values, pointer) NAMED(vstore, WIDTH)(values, 0, pointer)

/* The first table is that of one term, and each after it that of two, cosine and sine. */
#define TERM(table) ((table) ? 2 * (table) - 1 : 0)

/* Return cos m phi and sin m phi for the angular order m, from cos phi and sin phi. */
float2 angular_factors(float2 unit, uint order)
{
    float2 result = (float2)(1.0f, 0.0f);
    for (; order; order >>= 1) {
        if (order & 1)
            result = (float2)(result.x * unit.x - result.y * unit.y,
                              result.x * unit.y + result.y * unit.x);
        unit = (float2)(unit.x * unit.x - unit.y * unit.y, 2 * unit.x * unit.y);
    }
    return result;
}

/* values <- the sums of functions at the pixels, (windows, pixels, pitch). A work-item has WIDTH
 * waves of a pixel. */
kernel void interpolate(global const float *sums, global const uint *orders, const uint tables,
                        const uint places, const uint pitch, global const int *rows,
                        global const float *fractions, global const float2 *units,
                        const uint first, const uint pixels, global float *values)
{
    const uint blocks = pitch / WIDTH, item = get_global_id(0);
    const uint pixel = item / blocks, wave = item % blocks * WIDTH;
    const size_t window = get_global_id(1), place = (first + window) * pixels + pixel;
    if (pixel >= pixels)
        return;
    const float after = fractions[place], before = 1.0f - after;
    const size_t term = (size_t)places * pitch;
    global const float *near = sums + (size_t)rows[place] * pitch + wave;
    vector result = 0.0f;
    for (uint table = 0; table < tables; ++table) {
        const float2 factor = angular_factors(units[place], orders[table]);
        global const float *sum = near + TERM(table) * term;
        result += factor.x * (before * LOAD(sum) + after * LOAD(sum + pitch));
        if (table) {
            sum += term;
            result += factor.y * (before * LOAD(sum) + after * LOAD(sum + pitch));
        }
    }
    STORE(result, values + (window * pixels + pixel) * pitch + wave);
}

/* sums <- the adjoint of `interpolate`, of some windows, added to what is there unless they are the
 * first ones. A work-item has WIDTH waves at a place, and adds up the pixels about it: those after
 * it, and those after the place before. For that the pixels are listed by their rows, (beads,
 * pixels), from each row's start on, (beads, places + 1). */
kernel void interpolate_adjoint(global const float *values, global const uint *orders,
                                const uint places, const uint pitch, global const int *listed,
                                global const int *starts, global const float *fractions,
                                global const float2 *units, const uint first, const uint pixels,
                                const uint windows, const uint more, global float *sums)
{
    const uint blocks = pitch / WIDTH, item = get_global_id(0);
    const uint place = item / blocks, wave = item % blocks * WIDTH, table = get_global_id(1);
    if (place >= places)
        return;
    vector result[2];
    result[0] = result[1] = 0.0f;
    for (uint window = 0; window < windows; ++window) {
        const size_t bead = first + window;
        global const int *start = starts + bead * (places + 1) + place;
        const int middle = start[0], stop = start[1];
        for (int i = place ? start[-1] : middle; i < stop; ++i) {
            const uint pixel = listed[bead * pixels + i];
            const float after = fractions[bead * pixels + pixel];
            const float2 factor = angular_factors(units[bead * pixels + pixel], orders[table]);
            const vector value = LOAD(values + (window * pixels + pixel) * pitch + wave)
                                 * (i < middle ? after : 1.0f - after);
            result[0] += factor.x * value;
            result[1] += factor.y * value;
        }
    }
    global float *sum = sums + ((size_t)TERM(table) * places + place) * pitch + wave;
    for (uint i = 0; i < (table ? 2 : 1); ++i, sum += (size_t)places * pitch) {
        if (more)
            result[i] += LOAD(sum);
        STORE(result[i], sum);
    }
}

/* windows <- the light. A work-item has WIDTH planes of some pixels; those of neighbouring
 * work-items are neighbours, which makes stores run on. The waves along z are (windows, count,
 * planes), with planes up to a multiple of WIDTH. */
kernel void light(global const float *values, const uint count, const uint pitch,
                  global const float *waves, const uint depth, const uint pixels,
                  global float *windows)
{
    const uint group = get_group_id(0) * get_local_size(0) * PIXELS;
    const size_t window = get_global_id(2);
    const uint z = get_global_id(1) * WIDTH, planes = get_global_size(1) * WIDTH;
    global const float *these = waves + window * count * planes + z;
    global const float *value[PIXELS];
    uint pixel[PIXELS];
    vector result[PIXELS];
    /* Beyond the last pixel work-items compute that one once more, and do not store it. */
    #pragma unroll
    for (uint i = 0; i < PIXELS; ++i) {
        pixel[i] = min((uint)(group + i * get_local_size(0) + get_local_id(0)), pixels - 1);
        value[i] = values + (window * pixels + pixel[i]) * pitch;
        result[i] = 0.0f;
    }
    for (uint wave = 0; wave < count; ++wave, these += planes) {
        const vector along = LOAD(these);
        #pragma unroll
        for (uint i = 0; i < PIXELS; ++i)
            result[i] += along * value[i][wave];
    }
    #pragma unroll
    for (uint i = 0; i < PIXELS; ++i) {
        float stored[WIDTH];
        STORE(result[i], stored);
        const bool beyond = group + i * get_local_size(0) + get_local_id(0) >= pixels;
        const uint most = beyond ? 0 : min((uint)WIDTH, depth - z);
        for (uint plane = 0; plane < most; ++plane)
            windows[(window * depth + z + plane) * pixels + pixel[i]] = stored[plane];
    }
}

/* values <- the adjoint of `light`, (windows, pixels, pitch). A work-item has WIDTH waves of some
 * pixels. The waves along z are (windows, depth, pitch), those behind the last one 0. */
kernel void light_adjoint(global const float *windows, const uint pitch,
                          global const float *waves, const uint depth, const uint pixels,
                          global float *values)
{
    const uint group = get_group_id(0) * get_local_size(0) * PIXELS;
    const size_t window = get_global_id(2);
    const uint wave = get_global_id(1) * WIDTH;
    global const float *these = waves + window * depth * pitch + wave;
    global const float *plane = windows + window * depth * pixels;
    uint pixel[PIXELS];
    vector result[PIXELS];
    #pragma unroll
    for (uint i = 0; i < PIXELS; ++i) {
        pixel[i] = min((uint)(group + i * get_local_size(0) + get_local_id(0)), pixels - 1);
        result[i] = 0.0f;
    }
    for (uint z = 0; z < depth; ++z, these += pitch, plane += pixels) {
        const vector along = LOAD(these);
        #pragma unroll
        for (uint i = 0; i < PIXELS; ++i)
            result[i] += along * plane[pixel[i]];
    }
    #pragma unroll
    for (uint i = 0; i < PIXELS; ++i)
        if (group + i * get_local_size(0) + get_local_id(0) < pixels)
            STORE(result[i], values + (window * pixels + pixel[i]) * pitch + wave);
}
