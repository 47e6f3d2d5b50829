/* What Richardson-Lucy does between its transforms, each kernel one pass over its arrays.
 *
 * Arrays are C order, last axis fastest; spectra are interleaved complex. The transformed real
 * array may have rows longer than the grid's, `pitch` floats: its transform is done in place. The
 * image, the background and the mask are boxes at the grid's corner, of `depth`, `rows`, `columns`
 * voxels. Kernels over the grid have one work-item a voxel, and x as their dimension 0.
 *
 * All kernels are started in whole groups of one size, and take first how many work-items count
 * along each dimension. A driver that builds a kernel for each size of a group, as PoCL does, builds
 * it once so, whatever the grid. */

/* The arguments of a kernel over a grid of (nz, ny, nx) voxels, and how it begins. */
#define GRID const ulong nx, const ulong ny, const ulong nz
#define VOXEL                                                                                     \
    const size_t x = get_global_id(0), y = get_global_id(1), z = get_global_id(2);                \
    if (x >= nx || y >= ny || z >= nz)                                                            \
        return;

/* The same of a kernel over a number of values. */
#define VALUE                                                                                     \
    const size_t i = get_global_id(0);                                                            \
    if (i >= values)                                                                              \
        return;

/* The smallest normal number, to take a logarithm of in 0's place. */
#define TINY 1.17549435e-38f

/* spectrum <- spectrum * otf: the convolution with the PSF. */
kernel void convolve(const ulong values, global float2 *spectrum, global const float2 *otf)
{
    VALUE
    const float2 a = spectrum[i], b = otf[i];
    spectrum[i] = (float2)(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

/* spectrum <- spectrum * conj(otf): the correlation with the PSF. */
kernel void correlate(const ulong values, global float2 *spectrum, global const float2 *otf)
{
    VALUE
    const float2 a = spectrum[i], b = otf[i];
    spectrum[i] = (float2)(a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y);
}

/* Of a PSF that changes over the grid: a kernel's part of the convolution. The spectrum is that of
 * the point times the kernel's weights, and `sum` has what the kernels before have made. */
kernel void add_convolved(const ulong values, global float2 *sum,
                          global const float2 *spectrum, global const float2 *otf)
{
    VALUE
    const float2 a = spectrum[i], b = otf[i];
    sum[i] += (float2)(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

/* The weight of a voxel: that of its row and column, and `count` further ones, each times a number
 * of its plane. */
static float weight_at(GRID, global const float *weights, global const float *further,
                       global const float *depths, const uint count)
{
    const size_t x = get_global_id(0), y = get_global_id(1), z = get_global_id(2);
    const size_t place = y * nx + x;
    float weight = weights[place];
    for (uint n = 0; n < count; n++)
        weight += depths[n * nz + z] * further[n * nx * ny + place];
    return weight;
}

/* real <- array * weights; see `weight_at`. */
kernel void weigh(GRID, global const float *array, global float *real, const uint pitch,
                  global const float *weights, global const float *further,
                  global const float *depths, const uint count)
{
    VOXEL
    const size_t row = z * ny + y;
    real[row * pitch + x]
        = weight_at(nx, ny, nz, weights, further, depths, count) * array[row * nx + x];
}

/* sum <- sum + real * weights, or at first real * weights alone; `sum` has no gaps between rows. */
kernel void add_weighed(GRID, global float *sum, global const float *real, const uint pitch,
                        global const float *weights, global const float *further,
                        global const float *depths, const uint count, const uint first)
{
    VOXEL
    const size_t row = z * ny + y;
    const size_t i = row * nx + x;
    const float weight = weight_at(nx, ny, nz, weights, further, depths, count);
    const float light = weight * real[row * pitch + x];
    sum[i] = first ? light : sum[i] + light;
}

/* real <- real + sum. */
kernel void add(GRID, global const float *sum, global float *real, const uint pitch)
{
    VOXEL
    const size_t row = z * ny + y;
    real[row * pitch + x] += sum[row * nx + x];
}

/* real <- array, from rows without gaps to those of the transform. */
kernel void place(GRID, global const float *array, global float *real, const uint pitch)
{
    VOXEL
    const size_t row = z * ny + y;
    real[row * pitch + x] = array[row * nx + x];
}

/* real <- image / (real + background) in the image's box, and 0 where that is not positive, where
 * the mask is 0 and in the rest of the grid. */
kernel void quotient(GRID, global float *real, const uint pitch, global const float *image,
                     const uint depth, const uint rows, const uint columns, const float level
#ifdef BACKGROUND
                     , global const float *background
#endif
#ifdef MASK
                     , global const uchar *mask
#endif
)
{
    VOXEL
    const size_t to = (z * ny + y) * pitch + x;
    float result = 0.0f;
    if (z < depth && y < rows && x < columns) {
        const size_t i = (z * rows + y) * columns + x;
        float model = real[to] + level;
#ifdef BACKGROUND
        model += background[i];
#endif
        /* NaN stays NaN, so that it is seen. */
        if (!(model <= 0.0f))
            result = image[i] / model;
#ifdef MASK
        if (!mask[i])
            result = 0.0f;
#endif
    }
    real[to] = result;
}

/* Partial sums over the voxels of the image's box that count. Dimension 0 goes along rows,
 * dimension 1 over them; each work-item adds up its voxels compensated (Kahan), since a sum of
 * millions of voxels in single precision would lose what an iteration gains.
 *
 * Of image * log(image / model), and of the model; or, with a floor,
 * of image * log(model), where the model counts as no less than the floor. */
kernel void sums(const ulong lanes, const ulong row_groups,
                 global const float *real, const uint pitch, const uint grid_rows,
                 global const float *image, const uint depth, const uint rows,
                 const uint columns, const float level, const float floor,
                 global float2 *partial
#ifdef BACKGROUND
                 , global const float *background
#endif
#ifdef MASK
                 , global const uchar *mask
#endif
)
{
    if (get_global_id(0) >= lanes || get_global_id(1) >= row_groups)
        return;
    float2 sum = (float2)(0.0f), lost = (float2)(0.0f);
    for (size_t row = get_global_id(1); row < (size_t)depth * rows; row += row_groups) {
        const size_t from = (row / rows * grid_rows + row % rows) * pitch;
        for (size_t x = get_global_id(0); x < columns; x += lanes) {
            const size_t i = row * columns + x;
            float model = real[from + x] + level;
#ifdef BACKGROUND
            model += background[i];
#endif
#ifdef MASK
            if (!mask[i])
                continue;
#endif
            const float v = image[i], ratio = model > 0.0f ? v / model : 0.0f;
            const float argument = floor > 0.0f ? fmax(model, floor) : fmax(ratio, TINY);
            float2 term = (float2)(v * log(argument), model);
            term -= lost;
            const float2 next = sum + term;
            lost = (next - sum) - term;
            sum = next;
        }
    }
    partial[get_global_id(1) * lanes + get_global_id(0)] = sum;
}

/* model <- what the image's voxels see of the grid, where its voxels are finer: along y and x each
 * sees the sum of `down` by `across` of them, along z one of `deep` planes. One work-item a voxel of
 * the image, x as dimension 0. */
kernel void collect(GRID, global const float *real, const uint pitch, const uint grid_rows,
                    global float *model, const uint deep, const uint down, const uint across)
{
    VOXEL
    const size_t plane = z * deep + deep / 2;
    float sum = 0.0f;
    for (size_t row = y * down; row < (y + 1) * down; row++)
        for (size_t column = x * across; column < (x + 1) * across; column++)
            sum += real[(plane * grid_rows + row) * pitch + column];
    model[(z * ny + y) * nx + x] = sum;
}

/* real <- what the image has where the grid's voxels are seen, and 0 elsewhere: the adjoint. */
kernel void spread(GRID, global float *real, const uint pitch, global const float *values,
                   const uint depth, const uint rows, const uint columns,
                   const uint deep, const uint down, const uint across)
{
    VOXEL
    const size_t column = x / across, row = y / down, plane = z / deep;
    const bool seen = column < columns && row < rows && plane < depth && z % deep == deep / 2;
    real[(z * ny + y) * pitch + x]
        = seen ? values[(plane * rows + row) * columns + column] : 0.0f;
}

/* The next point, into its own array and the transform's: the point times the correction, which
 * the transform has left in `real`. With a momentum, longer: the step is the correction's
 * logarithm, of no less than `least`, and at most log_stretch more, and is noted.
 *
 * A transform in single precision leaves some -1e-7 where there is nothing, which counts as 0; NaN
 * stays NaN, so that it is seen. */
kernel void advance(GRID, global float *point, global float *real, const uint pitch
#ifdef NORMALISER
                    , global const float *normaliser
#endif
#ifdef FACTOR
                    , global const float *factor
#endif
#ifdef MOMENTUM
                    , global float *step, const float relaxation, const float momentum,
                    const float log_stretch, const float least
#endif
)
{
    VOXEL
    const size_t row = z * ny + y;
    const size_t i = row * nx + x, to = row * pitch + x;
    float correction = real[to];
#ifdef NORMALISER
    correction /= normaliser[i];
#endif
#ifdef FACTOR
    correction *= factor[i];
#endif
    if (correction < 0.0f)
        correction = 0.0f;
#ifdef MOMENTUM
    const float plain = log(correction < least ? least : correction);
    const float more = clamp(relaxation * plain + momentum * step[i], -log_stretch, log_stretch);
    step[i] = plain + more;
    correction = exp(plain + more);
#endif
    const float next = point[i] * correction;
    point[i] = next;
    real[to] = next;
}

/* point <- the point before the last step, which is forgotten. */
kernel void back(const ulong values, global float *point, global float *step)
{
    VALUE
    point[i] *= exp(-step[i]);
    step[i] = 0.0f;
}
