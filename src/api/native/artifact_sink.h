// Streams a request body into the object store without blocking a network thread.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "exec/pool.h"
#include "http/message.h"
#include "objects/objects.h"

namespace corbel::native {

// Each chunk is written on `pool`, one after the other.
class ArtifactSink final : public http::BodySink {
 public:
  ArtifactSink(std::unique_ptr<objects::ObjectWriter> writer, exec::Pool& pool)
      : writer_(std::move(writer)), pool_(pool) {}

  void append(std::span<const std::byte> chunk,
              std::move_only_function<void(Result<void>)> done) override {
    auto shared = std::make_shared<std::move_only_function<void(Result<void>)>>(std::move(done));
    // The client may be gone, and with it this sink, before the chunk is written.
    const bool accepted =
        pool_.tryRun([writer = writer_, chunk, shared] { (*shared)(writer->append(chunk)); });
    if (!accepted)
      (*shared)(fail(ErrorCode::unavailable, "The server is busy. Try the upload again."));
  }
  // After the last chunk was appended.
  objects::ObjectWriter& writer() { return *writer_; }

 private:
  const std::shared_ptr<objects::ObjectWriter> writer_;
  exec::Pool& pool_;
};

}  // namespace corbel::native
