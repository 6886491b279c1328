// Images as model input: decoding (JPEG, PNG) and the declared resize and normalisation.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace corbel::inference {

// 8 bits a sample, rows from the top, channels interleaved.
struct Image {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 1;  // 1 grey, 3 RGB
  std::vector<std::uint8_t> pixels;
};

enum class Resize : std::uint8_t {
  nearest,
  bilinear,  // triangle filter, widened when shrinking, as Pillow's BILINEAR (antialiased)
};
enum class ImageLayout : std::uint8_t { channelsFirst, channelsLast };

// What a model version declares under configuration.preprocessing.image.
struct ImagePreprocessing {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 3;
  Resize resize = Resize::bilinear;
  ImageLayout layout = ImageLayout::channelsFirst;
  double scale = 1.0 / 255.0;              // applied first
  std::array<double, 3> mean = {0, 0, 0};  // then (x - mean) / std, a channel
  std::array<double, 3> standardDeviation = {1, 1, 1};
};

// Decodes to `channels` (1 or 3). The size is checked before any pixel is decoded.
// unprocessable: neither JPEG nor PNG, corrupt, or more than limits::kImagePixels; the message says
// which.
Result<Image> decodeImage(std::span<const std::byte> file, std::uint32_t channels);

// width * height * channels numbers in the declared layout. `image.channels` must be
// preprocessing.channels.
std::vector<float> preprocess(const Image& image, const ImagePreprocessing& preprocessing);

}  // namespace corbel::inference
