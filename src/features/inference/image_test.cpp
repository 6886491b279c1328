#include "inference/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>

#include <numeric>
#include <string>

#include "base/limits.h"

namespace corbel::inference {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

std::span<const std::byte> bytes(const std::string& file) { return std::as_bytes(std::span(file)); }

std::string pngOf(const Image& image, png_uint_32 format) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = image.width;
  png.height = image.height;
  png.format = format;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&png, nullptr, &size, 0, image.pixels.data(), 0, nullptr);
  std::string file(size, '\0');
  png_image_write_to_memory(&png, file.data(), &size, 0, image.pixels.data(), 0, nullptr);
  return file;
}

std::string jpegOf(const Image& image) {
  const tjhandle encoder = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  tjCompress2(encoder, image.pixels.data(), static_cast<int>(image.width), 0,
              static_cast<int>(image.height), TJPF_RGB, &out, &size, TJSAMP_444, 100, 0);
  std::string file(reinterpret_cast<const char*>(out), size);
  tjFree(out);
  tjDestroy(encoder);
  return file;
}

std::uint32_t crc32(std::string_view text) {
  std::uint32_t crc = ~0U;
  for (const char c : text) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

void putBigEndian(std::string& file, std::size_t at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i)
    file[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (24 - 8 * i));
}

// A file of some hundred bytes that claims to be a picture of that size.
std::string pngThatClaims(std::uint32_t width, std::uint32_t height) {
  std::string file = pngOf({1, 1, 1, {7}}, PNG_FORMAT_GRAY);
  putBigEndian(file, 16, width);
  putBigEndian(file, 20, height);
  putBigEndian(file, 29, crc32(std::string_view(file).substr(12, 17)));
  return file;
}

const Image kRedGreen{2, 1, 3, {255, 0, 0, 0, 255, 0}};

Image aSquare(std::uint32_t side, std::uint8_t shade) {
  return {side, side, 1, std::vector<std::uint8_t>(std::size_t{side} * side, shade)};
}

TEST(DecodeImage, ReadsThePixelsOfAPng) {
  const auto image = decodeImage(bytes(pngOf(kRedGreen, PNG_FORMAT_RGB)), 3);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->width, 2U);
  EXPECT_EQ(image->height, 1U);
  EXPECT_EQ(image->pixels, kRedGreen.pixels);
}

TEST(DecodeImage, GivesAGreyPngThreeEqualChannelsWhenColourIsWanted) {
  const auto image = decodeImage(bytes(pngOf({2, 1, 1, {10, 200}}, PNG_FORMAT_GRAY)), 3);
  ASSERT_TRUE(image);
  EXPECT_THAT(image->pixels, ElementsAre(10, 10, 10, 200, 200, 200));
}

TEST(DecodeImage, ShowsTransparentPixelsOnWhite) {
  const auto image = decodeImage(bytes(pngOf({1, 1, 4, {0, 0, 0, 0}}, PNG_FORMAT_RGBA)), 3);
  ASSERT_TRUE(image);
  EXPECT_THAT(image->pixels, ElementsAre(255, 255, 255));
}

TEST(DecodeImage, ReadsAJpegAsColourAndAsGrey) {
  const Image grey{8, 8, 3, std::vector<std::uint8_t>(8 * 8 * 3, 120)};
  const auto colour = decodeImage(bytes(jpegOf(grey)), 3);
  ASSERT_TRUE(colour) << colour.error().message;
  EXPECT_EQ(colour->pixels.size(), 8U * 8U * 3U);
  EXPECT_THAT(colour->pixels, Each(::testing::AllOf(::testing::Ge(118), ::testing::Le(122))));
  const auto one = decodeImage(bytes(jpegOf(grey)), 1);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->pixels.size(), 64U);
}

TEST(DecodeImage, RefusesAPictureOfTooManyPixelsBeforeDecodingIt) {
  const auto png = decodeImage(bytes(pngThatClaims(5000, 5000)), 3);
  ASSERT_FALSE(png);
  EXPECT_EQ(png.error().code, ErrorCode::unprocessable);
  EXPECT_THAT(png.error().message, HasSubstr("5000 x 5000 pixels; at most 16000000"));

  std::string jpeg = jpegOf({8, 8, 3, std::vector<std::uint8_t>(8 * 8 * 3, 120)});
  const auto frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\x00\xff\x00", 4);
  const auto large = decodeImage(bytes(jpeg), 3);
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().message, HasSubstr("65280"));
}

TEST(DecodeImage, RefusesASideSoLongThatResizingWouldNeverEnd) {
  const auto image = decodeImage(bytes(pngThatClaims(1, limits::kImageSide + 1)), 1);
  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().message, HasSubstr("a side may have at most 32768"));
}

TEST(DecodeImage, RefusesCorruptFilesByName) {
  std::string png = pngOf(kRedGreen, PNG_FORMAT_RGB);
  png.resize(png.size() - 20);
  EXPECT_EQ(decodeImage(bytes(png), 3).error().message, "the PNG is corrupt");
  std::string jpeg = jpegOf({64, 64, 3, std::vector<std::uint8_t>(64 * 64 * 3, 9)});
  jpeg.resize(jpeg.size() / 2);
  EXPECT_EQ(decodeImage(bytes(jpeg), 3).error().message, "the JPEG is corrupt");
  EXPECT_EQ(decodeImage(bytes("GIF89a..."), 3).error().message,
            "the image must be a JPEG or a PNG");
  EXPECT_EQ(decodeImage({}, 3).error().code, ErrorCode::unprocessable);
}

TEST(Preprocess, ScalesThenNormalisesEachChannel) {
  const ImagePreprocessing to{.width = 2,
                              .height = 1,
                              .scale = 1.0 / 255,
                              .mean = {0.5, 0, 0},
                              .standardDeviation = {0.5, 2, 1}};
  EXPECT_THAT(preprocess(kRedGreen, to), ElementsAre(1, -1, 0, 0.5, 0, 0));
}

TEST(Preprocess, PutsChannelsLastWhereTheModelWantsThem) {
  const ImagePreprocessing to{
      .width = 2, .height = 1, .layout = ImageLayout::channelsLast, .scale = 1};
  EXPECT_THAT(preprocess(kRedGreen, to), ElementsAre(255, 0, 0, 0, 255, 0));
}

TEST(Preprocess, NearestTakesThePixelUnderTheCentre) {
  const Image line{4, 1, 1, {10, 20, 30, 40}};
  const ImagePreprocessing to{
      .width = 2, .height = 2, .channels = 1, .resize = Resize::nearest, .scale = 1};
  EXPECT_THAT(preprocess(line, to), ElementsAre(20, 40, 20, 40));
}

// Half the size doubles the triangle: taps of 3/7, 3/7 and 1/7.
TEST(Preprocess, ShrinksWithAWidenedTriangleAsPillowDoes) {
  const Image line{4, 1, 1, {0, 10, 20, 90}};
  const ImagePreprocessing to{.width = 2, .height = 1, .channels = 1, .scale = 1};
  EXPECT_THAT(
      preprocess(line, to),
      Pointwise(FloatNear(1e-4F), std::vector<float>{10 * 3 / 7.0F + 20 / 7.0F,
                                                     10 / 7.0F + 20 * 3 / 7.0F + 90 * 3 / 7.0F}));
}

TEST(Preprocess, EnlargesByInterpolationAndRepeatsTheEdge) {
  const Image pair{2, 1, 1, {0, 100}};
  const ImagePreprocessing to{.width = 4, .height = 1, .channels = 1, .scale = 1};
  EXPECT_THAT(preprocess(pair, to), ElementsAre(0, 25, 75, 100));
}

TEST(Preprocess, ResizesBothDirectionsIndependently) {
  Image ramp{3, 5, 1, std::vector<std::uint8_t>(15)};
  std::iota(ramp.pixels.begin(), ramp.pixels.end(), 0);
  const ImagePreprocessing wide{.width = 7, .height = 5, .channels = 1, .scale = 1};
  const ImagePreprocessing both{.width = 7, .height = 2, .channels = 1, .scale = 1};
  const auto lines = preprocess(ramp, wide);
  const auto result = preprocess(ramp, both);
  // Ratio 2.5: the taps of row 0 reach lines 0 to 3, with these weights before they are made to sum
  // to 1.
  const std::vector<double> weights = {0.7, 0.9, 0.5, 0.1};
  for (std::size_t x = 0; x < 7; ++x) {
    double sum = 0;
    for (std::size_t y = 0; y < weights.size(); ++y) sum += weights[y] * lines[y * 7 + x];
    EXPECT_NEAR(result[x], sum / 2.2, 1e-4) << x;
  }
}

TEST(Preprocess, KeepsAFlatPictureFlatInEverySize) {
  for (const std::uint32_t side : {1U, 2U, 7U, 64U}) {
    const ImagePreprocessing to{.width = 13, .height = 5, .channels = 1, .scale = 1};
    EXPECT_THAT(preprocess(aSquare(side, 77), to), Each(FloatNear(77, 1e-3F))) << side;
  }
}

}  // namespace
}  // namespace corbel::inference
