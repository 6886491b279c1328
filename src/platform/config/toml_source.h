// The settings file.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "raw_value.h"

namespace corbel::config {

// A key of the file that is not a table, or a table that `isSetting` knows.
struct FileValue {
  std::string path;    // as in "server.port"
  std::string source;  // as in "corbel.toml:3"
  RawValue value;
};

// All values of `file`, in its order of lines.
// invalid_argument: it cannot be read, is longer than 1 MiB or is not TOML; the message says where.
Result<std::vector<FileValue>> readFileValues(const std::string& file,
                                              bool (*isSetting)(std::string_view path));

// A value as it would stand behind `name =`. invalid_argument: it is not TOML.
Result<RawValue> parseTomlValue(std::string_view text);

// All of a small file. invalid_argument: it cannot be read or is longer than `maxBytes`.
Result<std::string> readSmallFile(const std::string& file, std::size_t maxBytes);

}  // namespace corbel::config
