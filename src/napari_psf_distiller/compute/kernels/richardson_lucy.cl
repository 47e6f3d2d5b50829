/* The pointwise parts of Richardson-Lucy, each one pass over its arrays.
 * Arrays are C order, last axis fastest; spectra are interleaved complex. */

/* model <- image / model, and 0 where the model is not positive. */
kernel void divide(global const float *image, global float *model)
{
    const size_t i = get_global_id(0);
    const float m = model[i];
    model[i] = m > 0.0f ? image[i] / m : 0.0f;
}

/* estimate <- estimate * correction */
kernel void multiply(global float *estimate, global const float *correction)
{
    const size_t i = get_global_id(0);
    estimate[i] *= correction[i];
}

/* estimate <- estimate * correction / normaliser */
kernel void multiply_normalised(global float *estimate, global const float *correction,
                                global const float *normaliser)
{
    const size_t i = get_global_id(0);
    estimate[i] *= correction[i] / normaliser[i];
}

/* spectrum <- spectrum * otf: the convolution with the PSF. */
kernel void convolve(global float2 *spectrum, global const float2 *otf)
{
    const size_t i = get_global_id(0);
    const float2 a = spectrum[i], b = otf[i];
    spectrum[i] = (float2)(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

/* spectrum <- spectrum * conj(otf): the correlation with the PSF. */
kernel void correlate(global float2 *spectrum, global const float2 *otf)
{
    const size_t i = get_global_id(0);
    const float2 a = spectrum[i], b = otf[i];
    spectrum[i] = (float2)(a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y);
}

/* The Poisson log-likelihood, image * log(model) - model, over the box from `low` to `high` of an
 * array of shape (nz, ny, nx); one partial sum a work-item, compensated (Kahan), since a sum of
 * millions of voxels in single precision would lose what an iteration gains. */
kernel void log_likelihood(global const float *image, global const float *model,
                           const ulong n, const ulong ny, const ulong nx,
                           const ulong4 low, const ulong4 high, global float *partial)
{
    const size_t stride = get_global_size(0);
    float sum = 0.0f, lost = 0.0f;
    for (size_t i = get_global_id(0); i < n; i += stride) {
        const size_t x = i % nx, y = (i / nx) % ny, z = i / (nx * ny);
        if (z < low.x || z >= high.x || y < low.y || y >= high.y || x < low.z || x >= high.z)
            continue;
        const float v = image[i], m = model[i];
        if (!(m > 0.0f))
            continue;
        const float term = (v > 0.0f ? v * log(m) : 0.0f) - m - lost;
        const float next = sum + term;
        lost = (next - sum) - term;
        sum = next;
    }
    partial[get_global_id(0)] = sum;
}
