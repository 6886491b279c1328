#include "inference/image.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "base/limits.h"

namespace corbel::inference {
namespace {

std::unexpected<Error> refused(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

Result<void> checkSize(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) return refused("the image is empty");
  if (std::max(width, height) > limits::kImageSide) {
    return refused("the image is " + std::to_string(width) + " x " + std::to_string(height) +
                   "; a side may have at most " + std::to_string(limits::kImageSide) + " pixels");
  }
  if (width * height <= limits::kImagePixels) return {};
  return refused("the image has " + std::to_string(width) + " x " + std::to_string(height) +
                 " pixels; at most " + std::to_string(limits::kImagePixels) + " are allowed");
}

bool startsWith(std::span<const std::byte> file, std::initializer_list<unsigned> magic) {
  if (file.size() < magic.size()) return false;
  return std::equal(magic.begin(), magic.end(), file.begin(),
                    [](unsigned expected, std::byte actual) {
                      return expected == std::to_integer<unsigned>(actual);
                    });
}

Result<Image> decodePng(std::span<const std::byte> file, std::uint32_t channels) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  const auto release = [](png_image* image) { png_image_free(image); };
  const std::unique_ptr<png_image, decltype(release)> owner(&png, release);
  if (png_image_begin_read_from_memory(&png, file.data(), file.size()) == 0)
    return refused("the PNG is corrupt");
  CORBEL_CHECK(checkSize(png.width, png.height));
  png.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Image image{png.width, png.height, channels, {}};
  image.pixels.resize(PNG_IMAGE_SIZE(png));
  // Transparent pixels are shown on white, as a page would.
  const png_color white{255, 255, 255};
  if (png_image_finish_read(&png, &white, image.pixels.data(), 0, nullptr) == 0)
    return refused("the PNG is corrupt");
  return image;
}

Result<Image> decodeJpeg(std::span<const std::byte> file, std::uint32_t channels) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
  if (tjDecompressHeader3(decoder.get(), bytes, file.size(), &width, &height, &subsampling,
                          &colorspace) != 0) {
    return refused("the JPEG is corrupt");
  }
  CORBEL_CHECK(checkSize(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height)));
  if (colorspace == TJCS_CMYK || colorspace == TJCS_YCCK)
    return refused("CMYK JPEGs are not read; convert to RGB");
  Image image{static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height), channels, {}};
  image.pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                      channels);
  const int format = channels == 1 ? TJPF_GRAY : TJPF_RGB;
  // Truncated scans decode with warnings; half a picture is not an input. A small file may hold
  // thousands of scans of a large picture, each of which would be decoded in full.
  const int failed = tjDecompress2(decoder.get(), bytes, file.size(), image.pixels.data(), width, 0,
                                   height, format, TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS);
  if (failed != 0) return refused("the JPEG is corrupt");
  return image;
}

// For one target position: which source samples count, and how much.
struct Taps {
  std::uint32_t first = 0;
  std::vector<float> weights;  // sum 1
};

std::vector<Taps> makeTaps(std::uint32_t from, std::uint32_t to, Resize resize) {
  const double ratio = static_cast<double>(from) / to;
  const double support = std::max(1.0, ratio);
  std::vector<Taps> all(to);
  for (std::uint32_t i = 0; i < to; ++i) {
    const double center = (i + 0.5) * ratio;
    if (resize == Resize::nearest) {
      all[i] = {std::min(static_cast<std::uint32_t>(center), from - 1), {1.0F}};
      continue;
    }
    const auto first =
        static_cast<std::uint32_t>(std::max(0.0, std::floor(center - support + 0.5)));
    const auto last = std::min(from, static_cast<std::uint32_t>(center + support + 0.5));
    all[i].first = first;
    double total = 0;
    for (std::uint32_t s = first; s < last; ++s) {
      const double weight = std::max(0.0, 1.0 - std::abs((s + 0.5 - center) / support));
      all[i].weights.push_back(static_cast<float>(weight));
      total += weight;
    }
    for (float& weight : all[i].weights) weight = static_cast<float>(weight / total);
  }
  return all;
}

// One line of pixels, resized in width.
void narrow(const std::uint8_t* line, const std::vector<Taps>& columns, std::size_t channels,
            std::vector<float>& into) {
  for (std::size_t x = 0; x < columns.size(); ++x) {
    for (std::size_t c = 0; c < channels; ++c) {
      float sum = 0;
      for (std::size_t t = 0; t < columns[x].weights.size(); ++t) {
        sum +=
            columns[x].weights[t] * static_cast<float>(line[(columns[x].first + t) * channels + c]);
      }
      into[x * channels + c] = sum;
    }
  }
}

// [height x width x channels] numbers of 0..255, resized in both directions. Line by line: what
// lies between is one line, whatever the picture's proportions.
std::vector<float> resized(const Image& image, const ImagePreprocessing& to) {
  const auto columns = makeTaps(image.width, to.width, to.resize);
  const auto rows = makeTaps(image.height, to.height, to.resize);
  const std::size_t stride = std::size_t{to.width} * image.channels;
  std::vector<float> line(stride);
  std::vector<float> result(to.height * stride);
  std::size_t open = 0;  // the first row that may still want a line
  for (std::size_t y = 0; y < image.height && open < rows.size(); ++y) {
    if (rows[open].first > y) continue;
    narrow(&image.pixels[y * image.width * image.channels], columns, image.channels, line);
    for (std::size_t row = open; row < rows.size() && rows[row].first <= y; ++row) {
      const std::size_t tap = y - rows[row].first;
      if (tap >= rows[row].weights.size()) continue;
      for (std::size_t i = 0; i < stride; ++i)
        result[row * stride + i] += rows[row].weights[tap] * line[i];
    }
    while (open < rows.size() && rows[open].first + rows[open].weights.size() <= y + 1) ++open;
  }
  return result;
}

}  // namespace

Result<Image> decodeImage(std::span<const std::byte> file, std::uint32_t channels) {
  if (startsWith(file, {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a}))
    return decodePng(file, channels);
  if (startsWith(file, {0xff, 0xd8, 0xff})) return decodeJpeg(file, channels);
  return refused("the image must be a JPEG or a PNG");
}

std::vector<float> preprocess(const Image& image, const ImagePreprocessing& preprocessing) {
  const std::vector<float> pixels = resized(image, preprocessing);
  const std::size_t channels = preprocessing.channels;
  const std::size_t area = std::size_t{preprocessing.width} * preprocessing.height;
  std::vector<float> numbers(pixels.size());
  for (std::size_t i = 0; i < area; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double scaled = pixels[i * channels + c] * preprocessing.scale;
      const double normalised =
          (scaled - preprocessing.mean[c]) / preprocessing.standardDeviation[c];
      const bool first = preprocessing.layout == ImageLayout::channelsFirst;
      numbers[first ? c * area + i : i * channels + c] = static_cast<float>(normalised);
    }
  }
  return numbers;
}

}  // namespace corbel::inference
