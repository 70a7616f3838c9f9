/* Algorithm 1 of McMahan et al. 2013, as one writes it down: the yardstick in C. */
#include <math.h>
#include <stdint.h>

static double weight(double z, double n, double alpha, double beta, double l1, double l2)
{
    if (fabs(z) <= l1)
        return 0.0;
    return (copysign(l1, z) - z) / ((beta + sqrt(n)) / alpha + l2);
}

/* Learn rows in this order. z and n are updated; w has room for the longest row. */
void learn(int64_t n_rows, const int64_t *order, const double *data, const int32_t *indices,
           const int32_t *indptr, const double *y, double alpha, double beta, double l1,
           double l2, double *z, double *n, double *w)
{
    for (int64_t t = 0; t < n_rows; t++) {
        int64_t i = order[t];
        int32_t start = indptr[i], stop = indptr[i + 1];
        double raw = 0.0;
        for (int32_t k = start; k < stop; k++) {
            int32_t j = indices[k];
            w[k - start] = weight(z[j], n[j], alpha, beta, l1, l2);
            raw += w[k - start] * data[k];
        }
        double error = 1.0 / (1.0 + exp(-raw)) - y[i];
        for (int32_t k = start; k < stop; k++) {
            int32_t j = indices[k];
            double g = error * data[k];
            double sigma = (sqrt(n[j] + g * g) - sqrt(n[j])) / alpha;
            z[j] += g - sigma * w[k - start];
            n[j] += g * g;
        }
    }
}
