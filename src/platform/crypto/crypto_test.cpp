#include <gtest/gtest.h>

#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::crypto {
namespace {

TEST(Sha256, AnswersThePublishedVectors) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfPiecesIsThatOfTheWhole) {
  const std::string text =
      "the quick brown fox jumps over the lazy dog, again and again and again and again";
  Sha256 pieces;
  for (std::size_t at = 0; at < text.size(); at += 7)
    pieces.update(std::string_view(text).substr(at, 7));
  EXPECT_EQ(pieces.finish(), sha256(text));
}

TEST(Sha256, StartsAnewAfterFinish) {
  Sha256 hash;
  hash.update("something else");
  hash.finish();
  hash.update("abc");
  EXPECT_EQ(hash.finish(), sha256("abc"));
}

TEST(Base64, AnswersTheVectorsOfRfc4648) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(toBase64(bytesOf(plain)), encoded);
    EXPECT_EQ(fromBase64(encoded), plain);
    const std::string_view unpadded = encoded.substr(0, encoded.find('='));
    EXPECT_EQ(toBase64Url(bytesOf(plain)), unpadded);
    EXPECT_EQ(fromBase64Url(unpadded), plain);
  }
}

TEST(Base64, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(fromBase64(toBase64(bytesOf(all))), all);
  EXPECT_EQ(fromBase64Url(toBase64Url(bytesOf(all))), all);
  EXPECT_EQ(fromHex(toHex(bytesOf(all))), all);
}

TEST(Base64, RefusesEverySecondSpellingOfTheSameBytes) {
  for (const std::string_view text : {"Zh==", "Zm9=", "Zg=", "Zg", "Zg===", "Z===", "=",
                                      "====", "Zm9v\n", " Zm9v", "Zm_v", "Z=9v"}) {
    EXPECT_EQ(fromBase64(text), std::nullopt) << text;
  }
  for (const std::string_view text : {"Zh", "Zm9", "Zg==", "Z", "Zm9v\n", "Zm+v", "Zm9vY"}) {
    EXPECT_EQ(fromBase64Url(text), std::nullopt) << text;
  }
}

TEST(Hex, RefusesHalfBytesAndForeignDigits) {
  EXPECT_EQ(fromHex("0aFf"), std::string_view("\x0a\xff", 2));
  EXPECT_EQ(fromHex("abc"), std::nullopt);
  EXPECT_EQ(fromHex("0g"), std::nullopt);
}

TEST(ConstantTimeEqual, ComparesLengthAndContent) {
  EXPECT_TRUE(equalInConstantTime(bytesOf("secret"), bytesOf("secret")));
  EXPECT_FALSE(equalInConstantTime(bytesOf("secret"), bytesOf("secreT")));
  EXPECT_FALSE(equalInConstantTime(bytesOf("secret"), bytesOf("secre")));
  EXPECT_TRUE(equalInConstantTime({}, {}));
}

}  // namespace
}  // namespace corbel::crypto
