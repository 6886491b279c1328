#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "document_reader.h"
#include "inference/model_readers.h"
#include "xgboost_tree.h"

namespace corbel::inference {
namespace {

enum class Kind : std::uint8_t { regressor, binary, multiclass };

struct Objective {
  std::string_view name;
  Link link = Link::identity;
  Kind kind = Kind::regressor;
};

// src/objective of XGBoost: PredTransform is the link, ProbToMargin of the base score its inverse.
constexpr std::array kObjectives = {
    Objective{"reg:squarederror"},
    Objective{"reg:linear"},
    Objective{"reg:squaredlogerror"},
    Objective{"reg:pseudohubererror"},
    Objective{"reg:absoluteerror"},
    Objective{"reg:quantileerror"},
    Objective{"reg:expectileerror"},
    Objective{"rank:ndcg"},
    Objective{"rank:pairwise"},
    Objective{"rank:map"},
    Objective{"reg:logistic", Link::sigmoid},
    Objective{"reg:gamma", Link::exponential},
    Objective{"reg:tweedie", Link::exponential},
    Objective{"count:poisson", Link::exponential},
    Objective{"survival:cox", Link::exponential},
    Objective{"survival:aft", Link::exponential},
    Objective{"binary:logistic", Link::sigmoid, Kind::binary},
    Objective{"binary:logitraw", Link::identity, Kind::binary},
    Objective{"binary:hinge", Link::hinge, Kind::binary},
    Objective{"multi:softprob", Link::softmax, Kind::multiclass},
    Objective{"multi:softmax", Link::softmax, Kind::multiclass},
};

// Everything of the file that prediction needs, before it is put together.
struct File {
  explicit File(std::size_t bytes) : trees(bytes) {}

  bool hasLearner = false;
  std::string booster;
  std::string objective;
  std::string baseScore;
  std::uint32_t features = 0;
  std::uint32_t classes = 0;
  std::uint32_t targets = 1;
  std::uint32_t parallelTrees = 1;
  std::string bestIteration;
  std::vector<std::string> featureNames;
  std::vector<std::int32_t> treeOutputs;
  std::vector<std::int32_t> roundBegins;  // trees of round r: roundBegins[r] to roundBegins[r + 1]
  std::vector<float> treeWeights;
  std::vector<float> linearWeights;
  XgboostTrees trees;
};

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

class FileReader {
 public:
  FileReader(DocumentReader& document, std::size_t bytes) : document_(document), file_(bytes) {}

  Result<File> run() {
    CORBEL_CHECK(document_.object([&](std::string_view key) -> Result<void> {
      if (key != "learner") return document_.skip();
      file_.hasLearner = true;
      return learner();
    }));
    if (!file_.hasLearner) return unprocessable("learner: is missing, so this is no XGBoost model");
    return std::move(file_);
  }

 private:
  Result<void> learner() {
    return document_.object([&](std::string_view key) -> Result<void> {
      if (key == "attributes") return textField("best_iteration", file_.bestIteration);
      if (key == "feature_names") return featureNames();
      if (key == "gradient_booster") return booster();
      if (key == "learner_model_param") return modelParameters();
      if (key == "objective") return textField("name", file_.objective);
      return document_.skip();
    });
  }

  // One text of an object, the rest of which is skipped.
  Result<void> textField(std::string_view name, std::string& target) {
    return document_.object([&](std::string_view key) -> Result<void> {
      return key == name ? store(document_.text(), target) : document_.skip();
    });
  }

  Result<void> featureNames() {
    return document_.array([&](std::size_t) -> Result<void> {
      CORBEL_TRY(std::string name, document_.text());
      file_.featureNames.push_back(std::move(name));
      return {};
    });
  }

  Result<void> modelParameters() {
    return document_.object([&](std::string_view key) -> Result<void> {
      if (key == "base_score") return store(document_.text(), file_.baseScore);
      if (key == "num_feature") return store(numberInText(document_, key), file_.features);
      if (key == "num_class") return store(numberInText(document_, key), file_.classes);
      if (key == "num_target") return store(numberInText(document_, key), file_.targets);
      return document_.skip();
    });
  }

  // dart wraps a gbtree, whose own name must not replace "dart".
  Result<void> booster() {
    return document_.object([&](std::string_view key) -> Result<void> {
      if (key == "name") return store(document_.text(), file_.booster);
      if (key == "weight_drop") return store(document_.floats(), file_.treeWeights);
      if (key == "model") return model();
      if (key != "gbtree") return document_.skip();
      return document_.object([&](std::string_view inner) -> Result<void> {
        return inner == "model" ? model() : document_.skip();
      });
    });
  }

  Result<void> model() {
    return document_.object([&](std::string_view key) -> Result<void> {
      if (key == "trees") return trees();
      if (key == "tree_info") return store(document_.integers(), file_.treeOutputs);
      if (key == "iteration_indptr") return store(document_.integers(), file_.roundBegins);
      if (key == "weights") return store(document_.floats(), file_.linearWeights);
      if (key == "gbtree_model_param") return treeParameters();
      return document_.skip();
    });
  }

  Result<void> treeParameters() {
    return document_.object([&](std::string_view key) -> Result<void> {
      if (key != "num_parallel_tree") return document_.skip();
      CORBEL_CHECK(store(numberInText(document_, key), file_.parallelTrees));
      file_.parallelTrees = std::max(file_.parallelTrees, 1U);
      return {};
    });
  }

  Result<void> trees() {
    return document_.array([&](std::size_t index) -> Result<void> {
      auto read = readXgboostTree(document_, file_.trees);
      if (read) return {};
      return std::unexpected(within(fmt::format("tree {}", index), std::move(read).error()));
    });
  }

  DocumentReader& document_;
  File file_;
};

// In float, as XGBoost does: the margin is the same to the last bit.
float baseMargin(Link link, float score) {
  if (link == Link::sigmoid) {
    constexpr float kSmallest = 1e-6F;  // kRtEps
    score = std::min(std::max(score, kSmallest), 1.0F - kSmallest);
    return -std::log(1.0F / score - 1.0F);
  }
  return link == Link::exponential ? std::log(score) : score;
}

// "5E-1", or since 3.1 "[5E-1]" with one value an output.
Result<std::vector<float>> baseScores(std::string_view text) {
  std::vector<float> scores;
  std::string_view rest = text;
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  do {
    const auto score = parseNumber<float>(trim(takeUntil(rest, ',')));
    if (!score || !std::isfinite(*score)) {
      return unprocessable(
          fmt::format("learner_model_param/base_score: must be a finite number or a list of them, "
                      "got \"{}\"",
                      excerpt(text)));
    }
    scores.push_back(*score);
  } while (!rest.empty());
  return scores;
}

class ModelBuilder {
 public:
  ModelBuilder(File file, Rounds rounds) : file_(std::move(file)), rounds_(rounds) {}

  Result<TabularModel> run() {
    CORBEL_CHECK(findObjective());
    CORBEL_CHECK(findMargins());
    TabularModel model;
    model.featureNames = std::move(file_.featureNames);
    nameClasses(model);
    if (file_.booster == "gblinear") {
      CORBEL_TRY(model.predictor, linear());
    } else if (file_.booster == "gbtree" || file_.booster == "dart") {
      CORBEL_TRY(model.predictor, forest());
    } else {
      return unprocessable(
          fmt::format("gradient_booster/name: must be gbtree, dart or gblinear, got \"{}\"",
                      excerpt(file_.booster)));
    }
    CORBEL_CHECK(validate(model));
    return model;
  }

 private:
  Result<void> findObjective() {
    const auto* found = std::ranges::find(kObjectives, file_.objective, &Objective::name);
    if (found == kObjectives.end()) {
      return unprocessable(
          fmt::format("objective/name: \"{}\" is not known", excerpt(file_.objective)));
    }
    objective_ = *found;
    outputs_ = std::max({file_.targets, file_.classes, 1U});
    if (outputs_ > kMaxOutputs) {
      return unprocessable(fmt::format("learner_model_param: {} outputs, allowed are up to {}",
                                       outputs_, kMaxOutputs));
    }
    return {};
  }

  Result<void> findMargins() {
    CORBEL_TRY(std::vector<float> scores, baseScores(file_.baseScore));
    if (scores.size() == 1) scores.resize(outputs_, scores[0]);
    if (scores.size() != outputs_) {
      return unprocessable(fmt::format("learner_model_param/base_score: {} values for {} outputs",
                                       scores.size(), outputs_));
    }
    for (const float score : scores) margins_.push_back(baseMargin(objective_.link, score));
    return {};
  }

  // Several targets with a binary objective are labels of their own: no class excludes another.
  void nameClasses(TabularModel& model) const {
    if (objective_.kind == Kind::regressor || file_.targets > 1) return;
    model.task = Task::classifier;
    const std::int64_t count = objective_.kind == Kind::binary ? 2 : outputs_;
    auto& labels = std::get<std::vector<std::int64_t>>(model.classLabels);
    for (std::int64_t label = 0; label < count; ++label) labels.push_back(label);
    if (objective_.kind == Kind::binary && objective_.link == Link::sigmoid) {
      model.finish = Finish::complement;
    }
  }

  Result<Forest> forest() {
    Forest forest;
    forest.precision = Precision::float32;
    forest.features = file_.features;
    forest.outputs = outputs_;
    forest.vectorLeaves = file_.trees.leafWidth > 1;
    forest.link = objective_.link;
    forest.baseScores = std::move(margins_);
    forest.trees = std::move(file_.trees.trees);
    forest.leafValues = std::move(file_.trees.leafValues);
    forest.categories = std::move(file_.trees.categories);
    if (forest.vectorLeaves && file_.trees.leafWidth != outputs_) {
      return unprocessable(fmt::format("trees have {} values a leaf for {} outputs",
                                       file_.trees.leafWidth, outputs_));
    }
    CORBEL_CHECK(assignOutputs(forest));
    CORBEL_CHECK(assignWeights(forest));
    CORBEL_CHECK(cutAtBest(forest));
    return forest;
  }

  Result<void> assignOutputs(Forest& forest) const {
    if (file_.treeOutputs.size() != forest.trees.size()) {
      return unprocessable(fmt::format("tree_info has {} values for {} trees",
                                       file_.treeOutputs.size(), forest.trees.size()));
    }
    for (std::size_t i = 0; i < forest.trees.size(); ++i) {
      const std::int32_t output = file_.treeOutputs[i];
      if (output < 0 || std::uint32_t(output) >= outputs_) {
        return unprocessable(
            fmt::format("tree {}: output {} is not one of the {} outputs", i, output, outputs_));
      }
      forest.trees[i].output = forest.vectorLeaves ? 0 : std::uint32_t(output);
    }
    return {};
  }

  Result<void> assignWeights(Forest& forest) const {
    if (file_.booster != "dart") return {};
    if (file_.treeWeights.size() != forest.trees.size()) {
      return unprocessable(fmt::format("weight_drop has {} values for {} trees",
                                       file_.treeWeights.size(), forest.trees.size()));
    }
    for (std::size_t i = 0; i < forest.trees.size(); ++i) {
      forest.trees[i].weight = file_.treeWeights[i];
    }
    return {};
  }

  // Files before 2.0 have no iteration_indptr: there every round has the same number of trees.
  Result<void> cutAtBest(Forest& forest) const {
    if (rounds_ == Rounds::all || file_.bestIteration.empty()) return {};
    const auto best = parseNumber<std::uint32_t>(file_.bestIteration);
    if (!best) {
      return unprocessable(fmt::format("attributes/best_iteration: must be a number, got \"{}\"",
                                       excerpt(file_.bestIteration)));
    }
    const std::uint64_t round = std::uint64_t{*best} + 1;
    const std::uint64_t each =
        std::uint64_t{file_.parallelTrees} * (forest.vectorLeaves ? 1 : outputs_);
    std::uint64_t count = round * each;
    if (round < file_.roundBegins.size()) count = std::max(file_.roundBegins[round], 0);
    if (count < forest.trees.size()) forest.trees.resize(count);
    return {};
  }

  // The file has one row of weights a feature and the intercepts last; a row has one weight an
  // output.
  Result<LinearModel> linear() const {
    LinearModel model;
    model.features = file_.features;
    model.outputs = outputs_;
    model.link = objective_.link;
    model.missingIsZero = true;
    const std::size_t rows = std::size_t{file_.features} + 1;
    if (file_.linearWeights.size() != rows * outputs_) {
      return unprocessable(fmt::format("weights has {} values for {} outputs of {} features",
                                       file_.linearWeights.size(), outputs_, file_.features));
    }
    for (std::size_t output = 0; output < outputs_; ++output) {
      for (std::size_t feature = 0; feature < file_.features; ++feature) {
        model.coefficients.push_back(file_.linearWeights[feature * outputs_ + output]);
      }
      const float bias = file_.linearWeights[file_.features * std::size_t{outputs_} + output];
      model.intercepts.push_back(bias + static_cast<float>(margins_[output]));
    }
    return model;
  }

  File file_;
  Rounds rounds_;
  Objective objective_;
  std::uint32_t outputs_ = 1;
  std::vector<double> margins_;
};

}  // namespace

Result<TabularModel> readXgboost(std::span<const std::byte> file, Rounds rounds) {
  const bool isUbjson = formatOf(file) == FileFormat::xgboostUbjson;
  const auto document = isUbjson ? readUbjson(file) : readJson(file);
  CORBEL_TRY(File content, FileReader(*document, file.size()).run());
  return ModelBuilder(std::move(content), rounds).run();
}

}  // namespace corbel::inference
