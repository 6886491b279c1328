// Kernels written for one kind of processor. Only the processor's own may be called.
#pragma once
#include <cstddef>

#include "mask_forest.h"
#include "slice_forest.h"

namespace corbel::inference {

bool hasAvx2();
// With byte permutes (VBMI), as AMD Zen 4 and Intel Ice Lake have.
bool hasAvx512();

// All add each tree's leaf values to `sums` [rows x outputs], tree after tree. Rows begin `stride`
// numbers apart.
template <class T>
using AddMasks = void(const MaskForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                      std::size_t rowCount, std::size_t stride, T* sums);

template <class T>
void addMasksAvx2(const MaskForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                  std::size_t rowCount, std::size_t stride, T* sums);
template <class T>
void addMasksAvx512(const MaskForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                    std::size_t rowCount, std::size_t stride, T* sums);
template <class T>
void addSlicesAvx512(const SliceForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                     std::size_t rowCount, std::size_t stride, T* sums);

}  // namespace corbel::inference
