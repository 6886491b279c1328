#include "compression.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

namespace corbel::http {
namespace {

std::string unpack(Encoding encoding, const std::string& packed, std::size_t length) {
  std::string text(length, '\0');
  if (encoding == Encoding::zstd) {
    EXPECT_EQ(::ZSTD_decompress(text.data(), length, packed.data(), packed.size()), length);
    return text;
  }
  z_stream stream{};
  ::inflateInit2(&stream, 15 + 16);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(length);
  EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
  ::inflateEnd(&stream);
  return text;
}

Response response(std::string body, std::string_view type = "application/json") {
  return {.status = 200, .contentType = type, .headers = {}, .body = std::move(body)};
}

TEST(Compression, ChoosesWhatTheClientLikesBest) {
  using enum Encoding;
  const std::pair<std::string_view, Encoding> cases[] = {
      {"", identity},
      {"gzip", gzip},
      {"GZIP, deflate, br", gzip},
      {"gzip, deflate, br, zstd", zstd},
      {"zstd;q=0.5, gzip;q=0.8", gzip},
      {"gzip;q=0", identity},
      {"gzip;q=0.000, *", zstd},
      {"*;q=0.1", zstd},
      {"*;q=0", identity},
      {"identity, gzip;q=0.9", identity},
      {"identity;q=0.5, gzip;q=0.9", gzip},
      {"gzip;q=2", identity},
      {"gzip;q=1.001", identity},
      {"gzip;q=0.1234", identity},
      {"gzip;q=", identity},
      {"gzip;q=x, zstd ; q=0.3", zstd},
      {"br;q=1.0,deflate", identity},
  };
  for (const auto& [header, expected] : cases) {
    EXPECT_EQ(chosenEncoding(header), expected) << header;
  }
}

TEST(Compression, CanBeUndone) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7919 % 1000) + ",";
  for (const Encoding encoding : {Encoding::gzip, Encoding::zstd}) {
    const std::string packed = compress(encoding, text);
    EXPECT_LT(packed.size(), text.size() / 2);
    EXPECT_EQ(unpack(encoding, packed, text.size()), text);
  }
}

TEST(Compression, IsForTextThatIsLongEnough) {
  const std::string text(1024, 'x');
  EXPECT_TRUE(isCompressible(response(text)));
  EXPECT_TRUE(isCompressible(response(text, "application/problem+json")));
  EXPECT_TRUE(isCompressible(response(text, "text/plain; charset=utf-8")));
  EXPECT_FALSE(isCompressible(response(text.substr(1))));
  EXPECT_FALSE(isCompressible(response(text, "image/png")));
  EXPECT_FALSE(isCompressible(response(text, "application/octet-stream")));
}

TEST(Compression, LeavesAloneWhatATagNames) {
  Response tagged = response(std::string(5000, 'x'));
  tagged.headers.emplace_back("ETag", "\"1\"");
  EXPECT_FALSE(isCompressible(tagged));
}

}  // namespace
}  // namespace corbel::http
