// Turns a tree as files store it (nodes in any order, some unreachable) into the form that Forest
// demands.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/forest.h"

namespace corbel::inference {

// The nodes reachable from `root` of `stored`, whose children are indexes into `stored`: as stored
// when all are reachable from root 0, else breadth first. unprocessable: a child is outside, or a
// node is reached twice; the message is of the form "node 7: right child 9001 is outside the tree
// (63 nodes)" and counts nodes as the file does.
Result<std::vector<Node>> reachableNodes(std::span<const Node> stored, std::size_t root = 0);

// `message` of an error prefixed: within("tree 3", error) is "tree 3, node 7: ..." or "tree 3:
// ...".
Error within(std::string_view place, Error error);

// The beginning of a text of the file, fit for a message: short, printable ASCII, "?" for anything
// else.
std::string excerpt(std::string_view text);

// Memory that a hostile file may claim beyond its own size: each claim must be backed by the file's
// bytes.
class Allowance {
 public:
  explicit Allowance(std::size_t fileBytes) : left_(fileBytes * kFactor + kFloor) {}
  // unprocessable: more is claimed than the file's size justifies; `what` is named.
  Result<void> claim(std::size_t count, std::size_t bytesEach, std::string_view what);

 private:
  static constexpr std::size_t kFactor = 16;
  static constexpr std::size_t kFloor = 1 << 20;
  std::size_t left_;
};

}  // namespace corbel::inference
