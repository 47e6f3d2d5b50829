/* What a device must be able to do to be called usable. */

kernel void self_test(global const float *source, global float *target)
{
    const size_t i = get_global_id(0);
    target[i] = fma(source[i], source[i], 1.0f);
}
