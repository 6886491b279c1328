#include "crypto/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>

#include "crypto/encoding.h"

namespace corbel::crypto {
namespace {

std::string bytes(std::string_view hex) { return fromHex(hex).value(); }

// Hands out what it was given.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(std::string text) : text_(std::move(text)) {}
  void fill(std::span<std::byte> wanted) override {
    std::ranges::copy(std::as_bytes(std::span(text_)).first(wanted.size()), wanted.begin());
  }

 private:
  std::string text_;
};

AeadKey aKey() {
  SystemRandom random;
  return AeadKey::generate(random);
}

// "The Galois/Counter Mode of Operation" (McGrew, Viega), test case 16.
TEST(Aead, AnswersThePublishedVector) {
  const auto key =
      AeadKey::fromBytes(bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  ASSERT_TRUE(key);
  const std::string text = bytes(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  const std::string associated = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  FixedRandom nonce(bytes("cafebabefacedbaddecaf888"));
  const std::string sealed = key->seal(text, associated, nonce);
  EXPECT_EQ(toHex(bytesOf(sealed)),
            "cafebabefacedbaddecaf888"
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b");
  const auto opened = key->open(sealed, associated);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->reveal(), text);
}

TEST(Aead, OpensNothingThatDiffersInOneBit) {
  SystemRandom random;
  const AeadKey key = aKey();
  const std::string sealed = key.seal("the secret", "row 1", random);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string damaged = sealed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(key.open(damaged, "row 1")) << bit;
  }
  EXPECT_TRUE(key.open(sealed, "row 1"));
}

TEST(Aead, OpensNothingThatWasCutShort) {
  SystemRandom random;
  const AeadKey key = aKey();
  const std::string sealed = key.seal("the secret", "row 1", random);
  for (std::size_t length = 0; length < sealed.size(); ++length)
    EXPECT_FALSE(key.open(std::string_view(sealed).substr(0, length), "row 1")) << length;
}

TEST(Aead, OpensWithItsOwnKeyAndPlaceAlone) {
  SystemRandom random;
  const AeadKey key = aKey();
  const std::string sealed = key.seal("the secret", "row 1", random);
  EXPECT_FALSE(aKey().open(sealed, "row 1"));
  EXPECT_FALSE(key.open(sealed, "row 2"));
  EXPECT_FALSE(key.open(sealed, ""));
}

TEST(Aead, SealsTheEmptyText) {
  SystemRandom random;
  const AeadKey key = aKey();
  const auto opened = key.open(key.seal("", "", random), "");
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->empty());
}

TEST(Aead, NeverUsesANonceTwice) {
  SystemRandom random;
  const AeadKey key = aKey();
  std::set<std::string> nonces;
  for (int i = 0; i < 1'000; ++i)
    nonces.insert(key.seal("same", "same", random).substr(0, AeadKey::kNonceBytes));
  EXPECT_EQ(nonces.size(), 1'000u);
}

TEST(Aead, TakesKeysOf32BytesAlone) {
  EXPECT_FALSE(AeadKey::fromBytes(std::string(31, 'k')));
  EXPECT_FALSE(AeadKey::fromBytes(std::string(33, 'k')));
  EXPECT_TRUE(AeadKey::fromBytes(std::string(32, 'k')));
}

}  // namespace
}  // namespace corbel::crypto
