#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels.h"
#include "leaf_index.h"

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt"))), \
                             apply_to = function)

#include "avx2.h"
// Behind the processor's functions.
#include "mask_kernel.h"

namespace corbel::inference {

template <class T>
void addMasksAvx2(const MaskForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                  std::size_t rowCount, std::size_t stride, T* sums) {
  if (columns.slots() <= 32)
    addMasks<Registers256<2>>(forest, columns, rows, rowCount, stride, sums);
  else if (columns.slots() <= 64)
    addMasks<Registers256<4>>(forest, columns, rows, rowCount, stride, sums);
  else
    addMasks<Registers256<8>>(forest, columns, rows, rowCount, stride, sums);
}

template void addMasksAvx2(const MaskForest<float>&, const ByteColumns<float>&, const float*,
                           std::size_t, std::size_t, float*);
template void addMasksAvx2(const MaskForest<double>&, const ByteColumns<double>&, const double*,
                           std::size_t, std::size_t, double*);

}  // namespace corbel::inference

#pragma clang attribute pop
