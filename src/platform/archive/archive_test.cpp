#include "archive/archive.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

namespace corbel::archive {
namespace {

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~ArchiveTest() override { std::filesystem::remove_all(folder); }

  void write(const std::vector<std::pair<std::string, std::string>>& members) {
    auto writer = Writer::create(file(), Timestamp{});
    ASSERT_TRUE(writer);
    for (const auto& [name, content] : members) ASSERT_TRUE((*writer)->add(name, content));
    ASSERT_TRUE((*writer)->finish());
  }
  std::filesystem::path file() const { return folder / "a.tar"; }
  std::string bytes() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void replace(const std::string& content) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << content;
  }

  std::filesystem::path folder;
};

TEST_F(ArchiveTest, GivesBackWhatWasWritten) {
  const std::string large(1'000'001, 'x');
  write({{"manifest.json", "{}"}, {"database/corbel.db", large}, {"empty", ""}});
  const auto reader = Reader::open(file());
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->members().size(), 3U);
  EXPECT_EQ((*reader)->text("database/corbel.db", 2'000'000).value(), large);
  EXPECT_EQ((*reader)->text("empty", 1).value(), "");
  EXPECT_EQ((*reader)->text("other", 1).error().code, ErrorCode::notFound);
  EXPECT_EQ((*reader)->text("database/corbel.db", 10).error().code, ErrorCode::unprocessable);
}

TEST_F(ArchiveTest, IsReadableByItsOwnerAlone) {
  write({{"a", "b"}});
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(file()).permissions(), perms::owner_read | perms::owner_write);
}

TEST_F(ArchiveTest, RefusesAFileWithAnyBitChanged) {
  write({{"manifest.json", "{}"}, {"data", "some content"}});
  const std::string whole = bytes();
  // Names, contents and the list of checksums. In between are fields that say nothing about them,
  // such as owner and time, and padding.
  std::set<std::size_t> telling;
  for (const std::string_view part : {"manifest.json", "{}", "data", "some content"}) {
    for (std::size_t at = whole.find(part); at != std::string::npos;
         at = whole.find(part, at + 1)) {
      for (std::size_t i = 0; i < part.size(); ++i) telling.insert(at + i);
    }
  }
  ASSERT_GT(telling.size(), 60u);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    replace(changed);
    const auto reader = Reader::open(file());
    EXPECT_FALSE(reader && telling.contains(at)) << at;
    if (!reader) continue;
    EXPECT_EQ((*reader)->text("data", 100).value(), "some content");
    EXPECT_EQ((*reader)->text("manifest.json", 100).value(), "{}");
  }
}

TEST_F(ArchiveTest, OfTwoThatWriteOneNameTheFirstToFinishHasIt) {
  auto slow = Writer::create(file(), Timestamp{});
  ASSERT_TRUE(slow);
  ASSERT_TRUE((*slow)->add("data", "of the slow one"));
  write({{"data", "of the quick one"}});
  EXPECT_FALSE((*slow)->finish());
  slow->reset();
  EXPECT_EQ((*Reader::open(file()))->text("data", 100).value(), "of the quick one");
  const auto left = std::filesystem::directory_iterator(folder);
  EXPECT_EQ(std::distance(begin(left), end(left)), 1);
}

TEST_F(ArchiveTest, RefusesAFileThatWasCutOffAnywhere) {
  write({{"manifest.json", "{}"}, {"data", std::string(2'000, 'x')}});
  const std::string whole = bytes();
  // The last block of zeros says nothing.
  for (std::size_t length = 0; length + 1'024 <= whole.size(); length += 100) {
    replace(whole.substr(0, length));
    const auto reader = Reader::open(file());
    ASSERT_FALSE(reader) << length;
    EXPECT_EQ(reader.error().code, ErrorCode::unprocessable) << reader.error().message;
  }
}

TEST_F(ArchiveTest, LeavesNothingWhenItIsGivenUp) {
  {
    const auto writer = Writer::create(file(), Timestamp{});
    ASSERT_TRUE((*writer)->add("a", "b"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(ArchiveTest, DoesNotReplaceAFile) {
  write({{"a", "b"}});
  EXPECT_EQ(Writer::create(file(), Timestamp{}).error().code, ErrorCode::alreadyExists);
}

TEST_F(ArchiveTest, RefusesNamesThatLeadElsewhere) {
  const auto writer = Writer::create(file(), Timestamp{});
  for (const char* name : {"../x", "/etc/passwd", "a b", "", "a\nb"})
    EXPECT_FALSE((*writer)->add(name, "x")) << name;
}

}  // namespace
}  // namespace corbel::archive
