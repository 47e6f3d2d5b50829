/* The factor of total variation, as total_variation.py says it; with CLIJ2_FFT defined it departs
 * from that as clij2-fft does. Arrays are C order, last axis fastest. */

/* The least square of a length. */
#define LEAST_SQUARE 1e-30f

/* The lesser of two slopes, and 0 where they go opposite ways. */
static float minmod(const float one, const float other)
{
    return fmin(fmax(other, fmin(one, 0.0f)), fmax(one, 0.0f));
}

/* A slope, divided by its length with the other two. */
static float component(const float slope, const float second, const float third)
{
    const float square = slope * slope + second * second + third * third;
    return slope / sqrt(fmax(square, LEAST_SQUARE));
}

/* The neighbours along an axis; at the grid's edges, which meet at `first`, the voxel itself. */
static ulong previous(const ulong index, const ulong size, const ulong first)
{
    if (index == first)
        return index;
    return index == 0 ? size - 1 : index - 1;
}

static ulong next(const ulong index, const ulong size, const ulong first)
{
    const ulong after = index + 1 == size ? 0 : index + 1;
    return after == first ? index : after;
}

/* factor <- 1 / (1 - weight * div(gradient / |gradient|)), on an estimate of shape (nz, ny, nx)
 * whose grid begins at (fz, fy, fx). The last three are one over the spacing along each axis, in
 * units of the finest. One work-item a voxel; those beyond the number of values do nothing. */
kernel void total_variation(const ulong values, global const float *estimate,
                            global float *factor, const float weight,
                            const ulong nz, const ulong ny, const ulong nx,
                            const ulong fz, const ulong fy, const ulong fx,
                            const float per_plane, const float per_row, const float per_column)
{
    const size_t i = get_global_id(0);
    if (i >= values)
        return;
    const ulong line = i / nx, z = line / ny;
    const ulong x = i - line * nx, y = line - z * ny;

    /* Offsets of rows and of planes; 0 is the previous one, 1 this one, 2 the next. */
    const ulong column[3] = {previous(x, nx, fx), x, next(x, nx, fx)};
    const ulong row[3] = {nx * previous(y, ny, fy), nx * y, nx * next(y, ny, fy)};
    const ulong plane[3] = {nx * ny * previous(z, nz, fz), nx * ny * z,
                            nx * ny * next(z, nz, fz)};
#define AT(dz, dy, dx) estimate[plane[1 + (dz)] + row[1 + (dy)] + column[1 + (dx)]]
    const float here = AT(0, 0, 0);
    const float x_before = AT(0, 0, -1), x_after = AT(0, 0, 1);
    const float y_before = AT(0, -1, 0), y_after = AT(0, 1, 0);
    const float z_before = AT(-1, 0, 0), z_after = AT(1, 0, 0);
    const float xy_before = AT(0, -1, -1), xz_before = AT(-1, 0, -1), yz_before = AT(-1, -1, 0);

    /* In this voxel. */
    const float right = per_column * (x_after - here), left = per_column * (here - x_before);
    const float below = per_row * (y_after - here), above = per_row * (here - y_before);
    const float up = per_plane * (z_after - here), down = per_plane * (here - z_before);
    const float across_x = minmod(right, left);
    const float across_y = minmod(below, above);
    const float across_z = minmod(up, down);

    /* In the previous column. */
    const float rise = per_plane * (AT(1, 0, -1) - x_before);
    const float a = component(left,
                              minmod(per_row * (AT(0, 1, -1) - x_before),
                                     per_row * (x_before - xy_before)),
                              minmod(rise, per_plane * (x_before - xz_before)));
    /* In the previous row, and in the previous plane. */
#ifdef CLIJ2_FFT
    const float rise_of_row = rise, x_of_plane = y_before - xz_before;
#else
    const float rise_of_row = per_plane * (AT(1, -1, 0) - y_before);
    const float x_of_plane = z_before - xz_before;
#endif
    const float b = component(above,
                              minmod(per_column * (AT(0, -1, 1) - y_before),
                                     per_column * (y_before - xy_before)),
                              minmod(rise_of_row, per_plane * (y_before - yz_before)));
    const float c = component(down,
                              minmod(per_row * (AT(-1, 1, 0) - z_before),
                                     per_row * (z_before - yz_before)),
                              minmod(per_column * (AT(-1, 0, 1) - z_before),
                                     per_column * x_of_plane));
#undef AT

    const float divergence = per_column * (component(right, across_y, across_z) - a)
                             + per_row * (component(below, across_x, across_z) - b)
                             + per_plane * (component(up, across_y, across_x) - c);
    factor[i] = 1.0f / (1.0f - weight * divergence);
}
