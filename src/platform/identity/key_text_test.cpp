#include "key_text.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"

namespace corbel::identity {
namespace {

TEST(KeyText, IsReadBackExactly) {
  const Secret text = keyText("abcdefABCDEF", Secret(std::string(32, 's')));
  EXPECT_EQ(text.reveal(), "crb_abcdefABCDEF_" + std::string(32, 's'));
  EXPECT_EQ(parseKeyText(text.reveal())->prefix, "abcdefABCDEF");
  EXPECT_EQ(parseKeyText(text.reveal())->secret, std::string(32, 's'));
}

TEST(KeyText, RefusesEverythingElse) {
  const std::string good = "crb_abcdefABCDEF_" + std::string(32, 's');
  for (const std::string& wrong :
       {std::string(), std::string("crb_"), good + "s", good.substr(0, good.size() - 1), " " + good,
        "CRB" + good.substr(3), "crb_abcdefABCDE__" + std::string(32, 's'),
        "crb_abcdef'BCDEF_" + std::string(32, 's'), std::string(1'000'000, 'a')}) {
    EXPECT_FALSE(parseKeyText(wrong)) << wrong.substr(0, 60);
  }
}

TEST(KeyText, IsMadeOfUnbiasedLettersAndDigits) {
  SystemRandom random;
  const std::string word = randomWord(random, 62'000);
  std::map<char, int> counts;
  for (const char c : word) ++counts[c];
  EXPECT_EQ(counts.size(), 62u);
  for (const auto& [c, count] : counts) EXPECT_NEAR(count, 1'000, 200) << c;
}

}  // namespace
}  // namespace corbel::identity
