/* The light of beads in windows about them, and its adjoint, as bead_windows.py says them.
 *
 * The host defines
 *   WIDTH          values that a work-item has side by side in a vector: 4, 8 or 16
 *   PIXELS         light: pixels of a work-item
 *   PLANES         light_adjoint: planes of a work-item
 *   LANES, SLICES  light_adjoint: work-items of a group along columns, and over rows of pixels
 *
 * Arrays are C order, last axis fastest. A window has `pixels` = `height` * `width` of them in each
 * of its `depth` planes. The tables are (orders, places, pitch), and have a function in each of
 * the first `radial` columns; what is behind them is 0. The rows are the pixels' places in the
 * tables, (beads, pixels), and the turns what a term's functions are multiplied by there, (beads,
 * terms, pixels). */

#define JOINED(a, b) a##b
#define NAMED(a, b) JOINED(a, b)
typedef NAMED(float, WIDTH) vector;
#define LOAD(pointer) NAMED(vload, WIDTH)(0, pointer)

/* The first term has the first table, and each two after it, cosine and sine, share one. */
#define TABLE(term) (((term) + 1) / 2)

/* windows <- the light. A work-item has WIDTH planes of some pixels; those of neighbouring
 * work-items are neighbours, which makes stores run on. The factors are
 * (windows, columns, planes), with planes up to a multiple of WIDTH. */
kernel void light(global const float *tables, const uint places, const uint pitch,
                  const uint radial, const uint terms, global const int *rows,
                  global const float *turns, const uint first, const uint depth,
                  const uint height, const uint width,
                  global const float *factors, global float *windows)
{
    const uint pixels = height * width, group = get_group_id(0) * get_local_size(0) * PIXELS;
    const size_t window = get_global_id(2), bead = first + window;
    const uint z = get_global_id(1) * WIDTH, planes = get_global_size(1) * WIDTH;
    global const float *factor = factors + window * (terms * radial) * planes + z;
    uint pixel[PIXELS], row[PIXELS];
    vector result[PIXELS];
    /* Beyond the last pixel work-items compute that one once more, and do not store it. */
    #pragma unroll
    for (uint i = 0; i < PIXELS; ++i) {
        pixel[i] = min((uint)(group + i * get_local_size(0) + get_local_id(0)), pixels - 1);
        row[i] = rows[bead * pixels + pixel[i]];
        result[i] = 0.0f;
    }
    for (uint term = 0; term < terms; ++term) {
        global const float *table = tables + TABLE(term) * (size_t)places * pitch;
        vector sum[PIXELS];
        #pragma unroll
        for (uint i = 0; i < PIXELS; ++i)
            sum[i] = 0.0f;
        for (uint k = 0; k < radial; ++k, factor += planes) {
            const vector these = LOAD(factor);
            #pragma unroll
            for (uint i = 0; i < PIXELS; ++i)
                sum[i] += these * table[(size_t)row[i] * pitch + k];
        }
        #pragma unroll
        for (uint i = 0; i < PIXELS; ++i)
            result[i] += sum[i] * turns[(bead * terms + term) * pixels + pixel[i]];
    }
    #pragma unroll
    for (uint i = 0; i < PIXELS; ++i) {
        float values[WIDTH];
        NAMED(vstore, WIDTH)(result[i], 0, values);
        const bool beyond = group + i * get_local_size(0) + get_local_id(0) >= pixels;
        const uint stored = beyond ? 0 : min((uint)WIDTH, depth - z);
        for (uint plane = 0; plane < stored; ++plane)
            windows[(window * depth + z + plane) * pixels + pixel[i]] = values[plane];
    }
}

/* factors <- the adjoint, (windows, depth, columns). A work-item has WIDTH columns of PLANES planes
 * and adds up every SLICES-th row of pixels; then the work-group adds up those sums. Columns are
 * counted with those that fill up each term's. */
kernel __attribute__((reqd_work_group_size(LANES * SLICES, 1, 1)))
void light_adjoint(global const float *tables, const uint places, const uint pitch,
                   const uint radial, const uint terms, global const int *rows,
                   global const float *turns, const uint first, const uint depth,
                   const uint height, const uint width,
                   global const float *windows, global float *factors)
{
    local float partial[SLICES][LANES * WIDTH];
    const uint pixels = height * width, columns = terms * radial;
    const uint blocks = (depth + PLANES - 1) / PLANES;
    const size_t window = get_global_id(1) / blocks, bead = first + window;
    const uint z = get_global_id(1) % blocks * PLANES;
    const uint item = get_local_id(0), lane = item % LANES, slice = item / LANES;
    const uint column = (get_group_id(0) * LANES + lane) * WIDTH, term = column / pitch;
    /* Of columns behind the last term's and of planes behind the last, any will do: they are not
     * stored. */
    const uint known = min(term, terms - 1);
    global const float *table = tables + TABLE(known) * (size_t)places * pitch + column % pitch;
    global const float *turn = turns + (bead * terms + known) * pixels;
    vector sum[PLANES];
    global const float *plane[PLANES];
    #pragma unroll
    for (uint i = 0; i < PLANES; ++i) {
        sum[i] = 0.0f;
        plane[i] = windows + (window * depth + min(z + i, depth - 1)) * pixels;
    }
    for (uint y = slice; y < height; y += SLICES) {
        for (uint x = 0; x < width; ++x) {
            const uint pixel = y * width + x;
            vector function = LOAD(table + (size_t)rows[bead * pixels + pixel] * pitch);
            function *= turn[pixel];
            #pragma unroll
            for (uint i = 0; i < PLANES; ++i)
                sum[i] += function * plane[i][pixel];
        }
    }
    #pragma unroll
    for (uint i = 0; i < PLANES; ++i) {
        NAMED(vstore, WIDTH)(sum[i], lane, partial[slice]);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint j = item; j < LANES * WIDTH; j += LANES * SLICES) {
            const uint padded = get_group_id(0) * LANES * WIDTH + j;
            const uint of = padded / pitch, k = padded % pitch;
            float total = 0.0f;
            for (uint s = 0; s < SLICES; ++s)
                total += partial[s][j];
            if (z + i < depth && of < terms && k < radial)
                factors[(window * depth + z + i) * columns + of * radial + k] = total;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
