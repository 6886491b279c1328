// Every fixed bound of the program in one place, related by static_assert. Bounds an operator may
// change are settings.
#pragma once
#include <chrono>
#include <cstddef>

namespace corbel::limits {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::size_t kGiB = 1024 * kMiB;

// HTTP
inline constexpr std::size_t kHeaderBytes = 16 * kKiB;  // request line and all header fields
inline constexpr std::size_t kJsonBody = 1 * kMiB;
inline constexpr std::size_t kInferenceBody = 64 * kMiB;
inline constexpr std::size_t kArtifactBody = 8 * kGiB;  // streamed to disk
inline constexpr std::size_t kBodyMemory = 256 * kMiB;  // of all requests together
inline constexpr std::size_t kConnections = 10'000;
inline constexpr std::chrono::seconds kHeaderDeadline{10};  // absolute, from the first byte
inline constexpr std::chrono::seconds kIdle{75};
inline constexpr std::size_t kBodyBytesPerSecond =
    1 * kKiB;  // slower for 10 s: the connection is cut
inline constexpr std::size_t kRequestIdLength = 64;

// Lists
inline constexpr int kPageDefault = 50;
inline constexpr int kPageMax = 200;

// JSON
inline constexpr int kJsonDepth = 64;
inline constexpr std::size_t kFieldErrors = 100;  // of one request; then reading stops

// Inference
inline constexpr std::chrono::milliseconds kInferenceDeadline{3000};
inline constexpr std::chrono::seconds kValidationDeadline{30};  // opening an uploaded model file
inline constexpr std::size_t kImagePixels = 16'000'000;
inline constexpr std::size_t kImageSide = 32'768;  // of either side; resizing costs side x target
inline constexpr std::size_t kPreparedPixels = 4'194'304;  // of the image that a model takes
inline constexpr std::size_t kInputFields = 65'536;        // named values of one row

// Store
inline constexpr int kReadersAtStart = 4;
inline constexpr int kReadersMax = 20;

// Tenants
inline constexpr int kApiKeysPerTenant = 1'000;  // that work; as many revoked ones are remembered
inline constexpr int kRolesPerTenant = 200;

static_assert(kHeaderBytes < kJsonBody && kJsonBody < kInferenceBody &&
              kInferenceBody < kArtifactBody);
static_assert(2 * kInferenceBody <= kBodyMemory);
static_assert(kPageDefault <= kPageMax && kReadersAtStart <= kReadersMax);
static_assert(kHeaderDeadline < kIdle);

}  // namespace corbel::limits
