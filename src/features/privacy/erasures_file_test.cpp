#include "privacy/erasures_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

namespace corbel::privacy {
namespace {

class ErasuresFileTest : public testing::Test {
 protected:
  ~ErasuresFileTest() override { std::filesystem::remove_all(folder); }

  Tombstone aTombstone(const std::string& id) const {
    return {id, "acme", "0011", "2233", Timestamp(std::chrono::milliseconds(5))};
  }
  void append(const std::string& text) const {
    std::ofstream(folder / "erasures", std::ios::app | std::ios::binary) << text;
  }
  std::vector<std::string> ids() const {
    const auto found = file.read();
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::string> ids;
    for (const Tombstone& tombstone : *found) ids.push_back(tombstone.id);
    return ids;
  }

  const std::filesystem::path folder = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    return std::filesystem::path(mkdtemp(pattern.data()));
  }();
  ErasuresFile file{folder / "erasures"};
};

TEST_F(ErasuresFileTest, IsEmptyWhereThereIsNone) { EXPECT_TRUE(ids().empty()); }

TEST_F(ErasuresFileTest, KeepsWhatWasAdded) {
  ASSERT_TRUE(file.add(aTombstone("1")));
  ASSERT_TRUE(file.add(aTombstone("2")));
  EXPECT_EQ(ids(), (std::vector<std::string>{"1", "2"}));
  const auto first = file.read()->front();
  EXPECT_EQ(first.tenant + first.person + first.key, "acme00112233");
  EXPECT_EQ(first.until, aTombstone("1").until);
  struct stat about{};
  ASSERT_EQ(::stat((folder / "erasures").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
}

TEST_F(ErasuresFileTest, GoesOnBehindALineThatWasCutOff) {
  ASSERT_TRUE(file.add(aTombstone("1")));
  append(R"({"id":"2","tena)");
  EXPECT_EQ(ids(), (std::vector<std::string>{"1"}));
  ASSERT_TRUE(file.add(aTombstone("3")));
  EXPECT_EQ(ids(), (std::vector<std::string>{"1", "3"}));
}

TEST_F(ErasuresFileTest, RefusesWhatItHasNotWritten) {
  append("{\"id\":7}\n");
  const auto found = file.read();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::failedPrecondition);
  EXPECT_NE(found.error().message.find("line 1"), std::string::npos);
}

TEST_F(ErasuresFileTest, SaysThatItCannotBeWritten) {
  const ErasuresFile nowhere(folder / "missing" / "erasures");
  EXPECT_EQ(nowhere.add(aTombstone("1")).error().code, ErrorCode::permissionDenied);
}

}  // namespace
}  // namespace corbel::privacy
