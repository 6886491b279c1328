// Kernels written for one kind of processor. Only the processor's own may be called.
#pragma once
#include <cstddef>

#include "mask_forest.h"
#include "slice_forest.h"

namespace corbel::inference {

// AVX-512 with byte permutes (VBMI), as in AMD Zen 4 and Intel Ice Lake.
bool hasAvx512();

// Adds each tree's leaf values to `sums` [rows x outputs], tree after tree; rows begin `stride`
// numbers apart.
template <class T>
void addMasksAvx512(const MaskForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                    std::size_t rowCount, std::size_t stride, T* sums);

extern template void addMasksAvx512(const MaskForest<float>&, const ByteColumns<float>&,
                                    const float*, std::size_t, std::size_t, float*);
extern template void addMasksAvx512(const MaskForest<double>&, const ByteColumns<double>&,
                                    const double*, std::size_t, std::size_t, double*);

template <class T>
void addSlicesAvx512(const SliceForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                     std::size_t rowCount, std::size_t stride, T* sums);

extern template void addSlicesAvx512(const SliceForest<float>&, const ByteColumns<float>&,
                                     const float*, std::size_t, std::size_t, float*);
extern template void addSlicesAvx512(const SliceForest<double>&, const ByteColumns<double>&,
                                     const double*, std::size_t, std::size_t, double*);

}  // namespace corbel::inference
