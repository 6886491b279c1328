#include "s3_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/percent.h"
#include "base/text.h"
#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::objects {
namespace {

// S3 wants 5 MiB or more a part and at most 10,000 parts: 16 MiB reach 156 GiB.
constexpr std::int64_t kPartBytes = std::int64_t{16} * 1024 * 1024;

std::string encodedPath(std::string_view bucket, std::string_view key) {
  std::string path = "/" + percentEncode(bucket);
  while (!key.empty()) path += '/' + percentEncode(takeUntil(key, '/'));
  return path;
}

// The text of the first element of this name; the answers we read have no attributes in it.
std::string_view element(std::string_view xml, std::string_view name) {
  const std::string open = fmt::format("<{}>", name);
  const std::size_t begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  xml.remove_prefix(begin + open.size());
  return xml.substr(0, xml.find('<'));
}

// The caller of the API can do nothing about what the operator has to mend, so that is unavailable.
Result<net::Transferred> judged(const S3Request& request, net::Transferred answer) {
  if (answer.status / 100 == 2) return answer;
  std::string code(element(answer.body, "Code").substr(0, 100));
  std::ranges::replace_if(code, [](char c) { return c < ' ' || c > '~'; }, '?');
  const std::string what = fmt::format("S3: {} {}", answer.status, code);
  if (answer.status == 404 && (request.method == "GET" || request.method == "HEAD"))
    return fail(ErrorCode::notFound, "the stored file does not exist", what);
  if (answer.status == 401 || answer.status == 403)
    return fail(ErrorCode::unavailable, "the object store refuses the credentials", what);
  return fail(ErrorCode::unavailable, "the object store cannot answer now", what);
}

}  // namespace

S3Client::S3Client(S3Options options, const Clock& clock)
    : options_(std::move(options)),
      credentials_{options_.accessKey, options_.secretKey, options_.region},
      clock_(clock) {
  if (options_.guard == nullptr) return;
  dependency_.emplace(
      resilience::DependencyOptions{.name = "objects",
                                    .endpoint = options_.url,
                                    .cap = options_.questionMax,
                                    .probe = [this](Deadline deadline) { return probe(deadline); }},
      *options_.guard);
}

S3Request S3Client::requestOf(std::string_view method, std::string_view key, S3Fields query) const {
  std::string_view host = options_.url;
  host.remove_prefix(host.find("://") + 3);
  return {.method = std::string(method),
          .host = std::string(host),
          .path = encodedPath(options_.bucket, key),
          .query = std::move(query),
          .payloadHash = std::string(kEmptyPayload)};
}

// Files take as long as they are; only that the server does not answer, or says that it cannot,
// counts against it.
Result<net::Transferred> S3Client::send(const S3Request& request, net::Transfer transfer,
                                        Deadline whole) {
  const bool isQuestion = !transfer.write && transfer.bodyBytes == 0;
  const Deadline deadline =
      isQuestion ? whole.earlier(Deadline::after(clock_, options_.questionMax)) : whole;
  if (!dependency_) {
    CORBEL_TRY(auto answer, sendNow(request, std::move(transfer), deadline));
    return judged(request, std::move(answer));
  }
  CORBEL_TRY(auto permit, dependency_->enter(deadline));
  auto answer = sendNow(request, std::move(transfer), deadline);
  using resilience::Outcome;
  if (answer) permit.countAs(answer->status >= 500 ? Outcome::failed : Outcome::answered);
  if (!answer && answer.error().code == ErrorCode::deadlineExceeded && isQuestion)
    permit.countAs(Outcome::failed);
  permit.finish(answer ? nullptr : &answer.error());
  if (!answer && isQuestion && !whole.expired(clock_))
    return fail(ErrorCode::unavailable, "the object store cannot answer now",
                answer.error().message);
  if (!answer) return answer;
  return judged(request, *std::move(answer));
}

Result<net::Transferred> S3Client::sendNow(const S3Request& request, net::Transfer transfer,
                                           Deadline deadline) {
  transfer.method = request.method;
  transfer.url = options_.url + request.path;
  if (!request.query.empty()) transfer.url += '?' + queryText(request.query);
  transfer.headers = signedHeaders(credentials_, request, clock_.now());
  transfer.caFile = options_.caFile;
  return net::transfer(transfer, deadline, clock_);
}

Result<void> S3Client::probe(Deadline deadline) {
  CORBEL_TRY(const auto answer, sendNow(requestOf("HEAD", ""), {}, deadline));
  if (answer.status < 500) return {};
  return fail(ErrorCode::unavailable, "It answers with an error.");
}

Result<net::Transferred> S3Client::sendText(S3Request request, const std::string& body,
                                            Deadline deadline) {
  request.payloadHash = crypto::hex(crypto::sha256(body));
  net::Transfer transfer;
  std::string_view rest = body;
  transfer.bodyBytes = static_cast<std::int64_t>(body.size());
  transfer.read = [&rest](std::span<char> into) {
    const std::size_t size = std::min(rest.size(), into.size());
    std::ranges::copy(rest.substr(0, size), into.begin());
    rest.remove_prefix(size);
    return size;
  };
  return send(request, std::move(transfer), deadline);
}

Result<net::Transferred> S3Client::sendPart(S3Request request, const ObjectFile& file, Part part,
                                            Deadline deadline) {
  constexpr std::size_t kChunk = std::size_t{256} * 1024;
  const auto chunk = std::make_unique_for_overwrite<std::byte[]>(kChunk);
  crypto::Sha256 hash;
  for (std::int64_t at = 0; at < part.size;) {
    const auto wanted = static_cast<std::size_t>(
        std::min<std::int64_t>(part.size - at, static_cast<std::int64_t>(kChunk)));
    CORBEL_TRY(const auto got, file.read(part.offset + at, std::span(chunk.get(), wanted)));
    if (got == 0) return fail(ErrorCode::internal, "the stored file became shorter");
    hash.update(std::span(chunk.get(), got));
    at += static_cast<std::int64_t>(got);
  }
  request.payloadHash = crypto::hex(hash.finish());
  net::Transfer transfer;
  transfer.bodyBytes = part.size;
  transfer.read = [&file, at = part.offset](std::span<char> into) mutable {
    const auto got = file.read(at, std::as_writable_bytes(into));
    at += static_cast<std::int64_t>(got.value_or(0));
    return got.value_or(0);
  };
  return send(request, std::move(transfer), deadline);
}

Result<std::optional<std::int64_t>> S3Client::head(std::string_view key, Deadline deadline) {
  const auto answer = send(requestOf("HEAD", key), {}, deadline);
  if (!answer && answer.error().code == ErrorCode::notFound) return std::nullopt;
  if (!answer) return std::unexpected(answer.error());
  const auto length = parseNumber<std::int64_t>(answer->header("content-length"));
  if (!length || *length < 0)
    return fail(ErrorCode::unavailable, "the object store does not say how long the file is");
  return length;
}

Result<void> S3Client::get(std::string_view key, const std::function<bool(std::string_view)>& take,
                           Deadline deadline) {
  net::Transfer transfer;
  transfer.write = take;
  CORBEL_CHECK(send(requestOf("GET", key), std::move(transfer), deadline));
  return {};
}

Result<void> S3Client::put(std::string_view key, const ObjectFile& file, Deadline deadline) {
  if (file.sizeBytes() > kPartBytes) return putInParts(key, file, deadline);
  if (file.sizeBytes() == 0) {
    CORBEL_CHECK(sendText(requestOf("PUT", key), "", deadline));
    return {};
  }
  CORBEL_CHECK(sendPart(requestOf("PUT", key), file, {0, file.sizeBytes()}, deadline));
  return {};
}

Result<void> S3Client::putInParts(std::string_view key, const ObjectFile& file, Deadline deadline) {
  CORBEL_TRY(const auto begun, sendText(requestOf("POST", key, {{"uploads", ""}}), "", deadline));
  const std::string upload(element(begun.body, "UploadId"));
  if (upload.empty())
    return fail(ErrorCode::unavailable, "the object store began no upload in parts");
  auto list = sendParts(key, upload, file, deadline);
  Result<net::Transferred> done = fail(ErrorCode::internal, "");
  if (list) done = sendText(requestOf("POST", key, {{"uploadId", upload}}), *list, deadline);
  // The end may be refused with 200.
  if (list && done && !done->body.contains("<Error>")) return {};
  static_cast<void>(send(requestOf("DELETE", key, {{"uploadId", upload}}), {},
                         Deadline::after(clock_, std::chrono::seconds(10))));
  if (!list) return std::unexpected(list.error());
  if (!done) return std::unexpected(done.error());
  return fail(ErrorCode::unavailable, "the object store did not put the parts together");
}

Result<std::string> S3Client::sendParts(std::string_view key, const std::string& upload,
                                        const ObjectFile& file, Deadline deadline) {
  std::string list = "<CompleteMultipartUpload>";
  int number = 1;
  for (std::int64_t offset = 0; offset < file.sizeBytes(); offset += kPartBytes, ++number) {
    const Part part{offset, std::min(kPartBytes, file.sizeBytes() - offset)};
    const S3Fields query{{"partNumber", std::to_string(number)}, {"uploadId", upload}};
    CORBEL_TRY(const auto answer, sendPart(requestOf("PUT", key, query), file, part, deadline));
    const std::string tag(answer.header("etag"));
    if (tag.empty() || tag.find_first_of("<>&") != std::string::npos)
      return fail(ErrorCode::unavailable, "the object store did not confirm a part");
    list += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number, tag);
  }
  return list + "</CompleteMultipartUpload>";
}

Result<void> S3Client::remove(std::string_view key, Deadline deadline) {
  CORBEL_CHECK(send(requestOf("DELETE", key), {}, deadline));
  return {};
}

std::string S3Client::presignedGet(std::string_view key, std::chrono::seconds lifetime) const {
  const S3Request request = requestOf("GET", key);
  return options_.url + request.path + '?' +
         presignedQuery(credentials_, request, lifetime, clock_.now());
}

Result<void> S3Client::check(Deadline deadline) {
  const auto answer = send(requestOf("HEAD", ""), {}, deadline);
  if (answer) return {};
  if (answer.error().code == ErrorCode::notFound)
    return fail(ErrorCode::unavailable, "s3.bucket: there is no such bucket",
                answer.error().detail);
  return std::unexpected(answer.error());
}

}  // namespace corbel::objects
