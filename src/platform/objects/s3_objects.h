// Artifacts in a bucket of an S3-compatible server, read through a folder on this machine.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "base/secret.h"
#include "objects/objects.h"

namespace corbel::resilience {
struct DependencyParts;
}  // namespace corbel::resilience

namespace corbel::objects {

struct S3Options {
  std::string url;  // of the server, as in https://s3.eu-central-1.amazonaws.com
  std::string bucket;
  std::string region = "us-east-1";
  std::string accessKey;
  Secret secretKey;
  std::string prefix = {};                     // before every key, as in "corbel/"
  std::string caFile = {};                     // PEM; empty: the system's authorities
  std::int64_t cacheBytes = 0;                 // of files kept in the folder
  std::chrono::milliseconds timeout{600'000};  // of an upload
  std::chrono::milliseconds questionMax{700};  // of a request without a file
  // Must outlive the store, which is then the dependency "objects" and refuses at once while the
  // server does not answer. Null: whoever calls finds out.
  const resilience::DependencyParts* guard = nullptr;
};

// An ObjectStore whose writers send the complete file to the bucket before commit() answers, and
// whose open() fetches what the folder lacks. Bytes are compared with their digest before anybody
// gets them, wherever they came from. Files that were not opened for the longest time are given up
// above cacheBytes; those that are open stay readable. Outcomes besides those of ObjectStore:
// unavailable (the server cannot be reached or refuses).
//
// invalid_argument: options.url is no such URL. Errors of the folder: see openLocalObjects. A
// server that is away is no error. `clock` must outlive the store.
Result<std::unique_ptr<ObjectStore>> openS3Objects(S3Options options,
                                                   const std::filesystem::path& folder,
                                                   const Clock& clock);

}  // namespace corbel::objects
