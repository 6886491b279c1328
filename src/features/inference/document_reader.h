// Reads a JSON-like document front to back without building it: the caller says what it expects
// next and skips the rest. So memory is what the caller keeps, and nesting is as deep as the caller
// asks; only skip() meets foreign nesting, and it is iterative and bounded. Two encodings: JSON
// text and UBJSON.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace corbel::inference {

// Each call consumes one value. unprocessable: the value is of another kind, or the document is
// broken; the message names the byte. After an error the reader must not be used.
class DocumentReader {
 public:
  using Field = std::function<Result<void>(std::string_view key)>;
  using Element = std::function<Result<void>(std::size_t index)>;

  virtual ~DocumentReader() = default;
  // Calls `field` for each key in the file's order; it must consume that key's value.
  virtual Result<void> object(const Field& field) = 0;
  // Calls `element` before each element, which it must consume.
  virtual Result<void> array(const Element& element) = 0;
  virtual Result<std::string> text() = 0;
  // Arrays of numbers. true and false are 1 and 0.
  virtual Result<std::vector<float>> floats() = 0;
  virtual Result<std::vector<std::int32_t>> integers() = 0;
  virtual Result<std::int32_t> integer() = 0;
  virtual Result<void> skip() = 0;
};

// `file` must outlive the reader.
std::unique_ptr<DocumentReader> readJson(std::span<const std::byte> file);
std::unique_ptr<DocumentReader> readUbjson(std::span<const std::byte> file);

inline constexpr std::size_t kMaxNesting = 64;  // of what skip() passes over

}  // namespace corbel::inference
