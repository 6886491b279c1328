#include "tree_builder.h"

#include <fmt/format.h>

namespace corbel::inference {

Result<std::vector<Node>> reachableNodes(std::span<const Node> stored, std::size_t root) {
  std::vector<std::int32_t> order = {static_cast<std::int32_t>(root)};  // stored index of new nodes
  std::vector<bool> reached(stored.size(), false);
  if (root >= stored.size()) return fail(ErrorCode::unprocessable, "has no nodes");
  reached[root] = true;

  const auto adopt = [&](std::int32_t parent, const char* side,
                         std::int32_t child) -> Result<std::int32_t> {
    if (child < 0 || std::size_t(child) >= stored.size()) {
      return fail(ErrorCode::unprocessable,
                  fmt::format("node {}: {} child {} is outside the tree ({} nodes)", parent, side,
                              child, stored.size()));
    }
    if (reached[child]) {
      return fail(ErrorCode::unprocessable,
                  fmt::format("node {}: {} child {} has another parent or is its own ancestor",
                              parent, side, child));
    }
    reached[child] = true;
    order.push_back(child);
    return static_cast<std::int32_t>(order.size() - 1);
  };

  std::vector<Node> nodes;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int32_t index = order[i];
    Node node = stored[index];
    if (!node.isLeaf()) {
      CORBEL_TRY(node.left, adopt(index, "left", node.left));
      CORBEL_TRY(node.right, adopt(index, "right", node.right));
    }
    nodes.push_back(node);
  }
  // Untouched where possible: then later messages count nodes as the file does, too.
  if (order.size() == stored.size() && root == 0) nodes.assign(stored.begin(), stored.end());
  return nodes;
}

Error within(std::string_view place, Error error) {
  const bool ofNode = error.message.starts_with("node ");
  error.message = fmt::format("{}{} {}", place, ofNode ? "," : ":", error.message);
  return error;
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string result(text.substr(0, kLongest));
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > kLongest) result += "...";
  return result;
}

Result<void> Allowance::claim(std::size_t count, std::size_t bytesEach, std::string_view what) {
  if (count > left_ / bytesEach) {
    return fail(ErrorCode::unprocessable,
                fmt::format("{} would need far more memory than the file's size justifies", what));
  }
  left_ -= count * bytesEach;
  return {};
}

}  // namespace corbel::inference
