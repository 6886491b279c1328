#include "models/intake.h"

#include <gmock/gmock.h>

#include <atomic>
#include <latch>
#include <span>
#include <thread>

#include "models/signature_json.h"
#include "models_fixture.h"

namespace corbel::models {
namespace {

using ::testing::HasSubstr;

class IntakeTest : public ModelsTest {
 protected:
  IntakeTest() { create("m"); }

  // Opens every file but those that begin with "bad".
  Result<inference::Signature> inspect(const objects::ObjectFile& file) {
    if (whileInspecting) whileInspecting();
    CORBEL_TRY(const std::string content, readAll(file, 1 << 20));
    if (content.starts_with("bad")) return fail(ErrorCode::unprocessable, "model file: it is bad");
    return signature;
  }
  Result<Version> upload(std::string_view content, const Quota& quota = {},
                         std::string_view tenant = "acme") {
    CORBEL_TRY(auto writer, intake.begin(scope(tenant), "m", quota));
    CORBEL_CHECK(writer->append(std::as_bytes(std::span(content))));
    return intake.finish(scope(tenant), "m", *writer, {}, quota);
  }

  static constexpr std::int64_t kMaxFileBytes = 100;
  std::function<void()> whileInspecting;
  inference::Signature signature = SumModel().signature();
  SystemClock wallClock;  // the store waits in real time
  std::unique_ptr<objects::ObjectStore> objects =
      mustBe(objects::openLocalObjects(folder.path() / "objects", clock));
  custody::Custody custody = [this] {
    custody::Custody made({*database, *objects, ids, wallClock});
    made.referredToBy(Registry::isReferenced);
    return made;
  }();
  ArtifactIntake intake{
      registry,  *objects,
      custody,   [this](const objects::ObjectFile& file, Deadline) { return inspect(file); },
      wallClock, kMaxFileBytes};
};

TEST_F(IntakeTest, MakesAVersionOfAFileThatOpens) {
  const Version version = mustBe(upload("good"));
  EXPECT_EQ(version.number, 1);
  EXPECT_EQ(version.artifactBytes, 4);
  EXPECT_EQ(mustBe(parseSignature(version.signature)).featureNames,
            SumModel().signature().featureNames);
  const auto digest = mustBe(objects::Digest::parse(version.artifactSha256));
  EXPECT_EQ(mustBe(readAll(mustBe(objects->open(digest, Deadline::never())), 100)), "good");
}

TEST_F(IntakeTest, ARefusedFileLeavesNothing) {
  const auto refused = upload("bad");
  ASSERT_EQ(codeOf(refused), ErrorCode::unprocessable);
  EXPECT_EQ(refused.error().message, "model file: it is bad");
  EXPECT_EQ(objects->usage().objects, 0);
  EXPECT_EQ(mustBe(registry.find(scope(), "m")).latestVersion, 0);
}

TEST_F(IntakeTest, AFileThatIsNotTheOneMeantLeavesNothing) {
  const auto send = [&](std::string sha256) {
    auto writer = mustBe(intake.begin(scope(), "m", {}));
    EXPECT_TRUE(writer->append(std::as_bytes(std::span(std::string_view("good")))));
    NewVersion version;
    version.artifactSha256 = std::move(sha256);
    return intake.finish(scope(), "m", *writer, std::move(version), {});
  };
  const std::string meant = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c";
  const auto refused = send(std::string(64, 'a'));
  ASSERT_EQ(codeOf(refused), ErrorCode::unprocessable);
  EXPECT_EQ(refused.error().fields.front(),
            (FieldError{"/sha256", "is not that of the file, whose SHA-256 is " + meant}));
  EXPECT_EQ(objects->usage().objects, 0);
  EXPECT_EQ(mustBe(send(meant)).number, 1);
}

TEST_F(IntakeTest, AFileThatDoesNotFitTheSchemaLeavesNothing) {
  mustBe(registry.change(scope(), "m", std::nullopt, [](Model& model) -> Result<void> {
    model.inputSchema = R"({"type":"object","properties":{"only":{"type":"number"}}})";
    return {};
  }));
  const auto refused = upload("good");
  ASSERT_EQ(codeOf(refused), ErrorCode::unprocessable);
  EXPECT_THAT(refused.error().message, HasSubstr("it declares 1 fields, the model takes 2"));
  EXPECT_EQ(objects->usage().objects, 0);
}

TEST_F(IntakeTest, TheSameContentTwiceIsOneObject) {
  mustBe(upload("good"));
  EXPECT_EQ(mustBe(upload("good")).number, 2);
  EXPECT_EQ(objects->usage().objects, 1);
}

TEST_F(IntakeTest, ARefusedUploadLeavesTheObjectOfAnEarlierOne) {
  mustBe(upload("good"));
  ASSERT_EQ(codeOf(upload("good", {.models = {}, .storageBytes = 3})),
            ErrorCode::insufficientStorage);
  EXPECT_EQ(objects->usage().objects, 1);
}

TEST_F(IntakeTest, UploadsOfTheSameContentAtTheSameTimeDoNotRemoveIt) {
  constexpr int kUploads = 6;
  std::latch all(kUploads);
  whileInspecting = [&] { all.arrive_and_wait(); };
  std::atomic<int> made = 0;
  {
    std::vector<std::jthread> uploads;
    uploads.reserve(kUploads);
    for (int i = 0; i < kUploads; ++i) {
      uploads.emplace_back([&, i] {
        // Every other one is refused after its file was opened.
        const Quota quota{.models = {},
                          .storageBytes = i % 2 == 0 ? std::optional<std::int64_t>() : 3};
        auto writer = mustBe(intake.begin(scope(), "m", {}));
        EXPECT_TRUE(writer->append(std::as_bytes(std::span(std::string_view("good")))));
        made += intake.finish(scope(), "m", *writer, {}, quota).has_value();
      });
    }
  }
  EXPECT_EQ(made, kUploads / 2);
  EXPECT_EQ(objects->usage().objects, 1);
  EXPECT_EQ(mustBe(registry.find(scope(), "m")).latestVersion, kUploads / 2);
}

TEST_F(IntakeTest, UploadsAtTheSameTimeCannotPassTheQuotaTogether) {
  const Quota quota{.models = {}, .storageBytes = 10};
  auto first = mustBe(intake.begin(scope(), "m", quota));
  auto second = mustBe(intake.begin(scope(), "m", quota));
  ASSERT_TRUE(first->append(std::as_bytes(std::span(std::string_view("first!")))));
  const auto more = std::as_bytes(std::span(std::string_view("second")));
  EXPECT_EQ(codeOf(second->append(more)), ErrorCode::insufficientStorage);
  first.reset();
  EXPECT_TRUE(second->append(more));
}

TEST_F(IntakeTest, AnUploadCannotPassTheQuotaThatAnotherUsedUpMeanwhile) {
  const Quota quota{.models = {}, .storageBytes = 10};
  auto slow = mustBe(intake.begin(scope(), "m", quota));
  mustBe(upload("first!", quota));
  ASSERT_TRUE(slow->append(std::as_bytes(std::span(std::string_view("second")))));
  EXPECT_EQ(codeOf(intake.finish(scope(), "m", *slow, {}, quota)), ErrorCode::insufficientStorage);
  EXPECT_EQ(mustBe(registry.storedBytes(scope())), 6);
  EXPECT_EQ(objects->usage().objects, 1);
}

TEST_F(IntakeTest, RefusesAFileThatCouldNeverBeLoaded) {
  whileInspecting = [] { FAIL() << "it was opened"; };
  const auto refused = upload(std::string(101, 'x'));
  ASSERT_EQ(codeOf(refused), ErrorCode::payloadTooLarge);
  EXPECT_THAT(refused.error().message, HasSubstr("up to 100 bytes"));
  EXPECT_EQ(objects->usage().objects, 0);
}

TEST_F(IntakeTest, RefusesAFileWithOtherClassesThanDeclared) {
  mustBe(registry.change(scope(), "m", std::nullopt, [](Model& model) -> Result<void> {
    model.outputSchema = R"({"enum":["no","yes"]})";
    return {};
  }));
  signature.classLabels = {"0", "1", "2"};
  const auto refused = upload("good");
  ASSERT_EQ(codeOf(refused), ErrorCode::unprocessable);
  EXPECT_EQ(refused.error().message, "/outputSchema/enum: names 2 classes, the model file has 3");
  signature.classLabels = {"0", "1"};
  EXPECT_TRUE(upload("good"));
}

TEST_F(IntakeTest, RefusesToBeginWithoutModelOrRoom) {
  EXPECT_EQ(codeOf(intake.begin(scope(), "other", {})), ErrorCode::notFound);
  EXPECT_EQ(codeOf(intake.begin(scope("other"), "m", {})), ErrorCode::notFound);
  mustBe(upload("good"));
  EXPECT_EQ(codeOf(intake.begin(scope(), "m", {.models = {}, .storageBytes = 4})),
            ErrorCode::insufficientStorage);
  ASSERT_TRUE(registry.archive(scope(), "m"));
  EXPECT_EQ(codeOf(intake.begin(scope(), "m", {})), ErrorCode::notFound);
}

TEST_F(IntakeTest, OpensAFileWhoseSendingTookAllTheTime) {
  const Scope late{"acme", "user:ann", Deadline::at(SteadyTime::min())};
  auto writer = mustBe(intake.begin(scope(), "m", {}));
  EXPECT_TRUE(intake.finish(late, "m", *writer, {}, {}));
}

TEST_F(IntakeTest, ReadsNoObjectLargerThanAllowed) {
  const Version version = mustBe(upload("good"));
  const auto file = mustBe(
      objects->open(mustBe(objects::Digest::parse(version.artifactSha256)), Deadline::never()));
  EXPECT_EQ(codeOf(readAll(file, 3)), ErrorCode::unavailable);
}

TEST(SignatureJson, ReadsBackWhatItWrote) {
  inference::Signature signature = SumModel().signature();
  signature.classLabels = {"a\"b", "ü"};
  signature.probabilities = 0;
  const auto back = parseSignature(toJson(signature));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->inputs, signature.inputs);
  EXPECT_EQ(back->outputs, signature.outputs);
  EXPECT_EQ(back->classLabels, signature.classLabels);
  EXPECT_EQ(back->task, signature.task);
  EXPECT_FALSE(parseSignature("{}"));
}

}  // namespace
}  // namespace corbel::models
