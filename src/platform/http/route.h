// Routes are data beside the handlers. An API class lists its own:
//
//   static constexpr auto routes() {
//     return std::tuple{
//         get<&ModelsApi::list>("/api/v1/ai/models", Permission::modelsRead, "List models"),
//         post<&ModelsApi::predict>("/api/v1/ai/models/{model}/predict", Permission::modelsPredict,
//         "Predict",
//                                   {.limit = LimitClass::inference, .bodyMax =
//                                   limits::kInferenceBody})};
//   }
//
// Request and response types, and where the handler runs, come from its signature:
//   Result<Out> handler(Call&)              plain: runs on the api pool, may wait for the store
//   Result<Out> handler(Call&, const In&)   the same, with the decoded query (GET, DELETE) or JSON
//   body void handler(Call, In, Reply<Out>)      runs on the network thread, must not block,
//   replies once, now or later void handler(Call, Reply<Out>)          the same without input
// Out is a described type, Created<T>, Accepted<T>, NoContent or a Response.
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "http/call.h"
#include "http/message.h"
#include "http/reply.h"
#include "http/web_socket.h"
#include "identity/identity.h"
#include "json/decode.h"
#include "json/type.h"

namespace corbel::http {

using identity::Permission;

// Which budget of the rate limiter a call takes from.
enum class LimitClass : std::uint8_t { none, api, inference };

// Needs no credential: health, docs. Written out at the route so that it is a decision, not an
// omission.
struct OpenToAll {};
inline constexpr OpenToAll openToAll{};

class Access {
 public:
  constexpr Access(Permission permission)
      : permission_(permission) {}              // NOLINT: reads as the permission
  constexpr Access(OpenToAll) : open_(true) {}  // NOLINT
  constexpr bool isOpen() const { return open_; }
  constexpr Permission permission() const { return permission_; }

 private:
  Permission permission_{};
  bool open_ = false;
};

// Whether calls become lines of the audit log.
enum class Audit : std::uint8_t {
  changes,  // as the method and the limit say: everything but GET and HEAD, and but inference
  always,
  never
};

inline constexpr std::chrono::milliseconds kNoDeadline = std::chrono::milliseconds::max();

// Whether a client may send a request again without its being carried out again.
enum class Repeatable : std::uint8_t {
  byKey,  // every POST that needs a credential takes an Idempotency-Key
  no,     // its repetition is harmless, or its answer cannot be kept
};

struct RouteOptions {
  LimitClass limit = LimitClass::api;
  std::size_t bodyMax = limits::kJsonBody;
  std::string_view description = {};
  std::string_view contentType = "application/json";  // of a successful response
  const json::Type* answer = nullptr;     // of handlers that write their Response by hand
  std::string_view uploadTypes = {};      // media types of uploads beside a plain file: "a/b, c/d"
  std::chrono::milliseconds deadline{0};  // of a call; 0: the server's; kNoDeadline for streams
  Repeatable repeatable = Repeatable::byKey;
  bool takesIfMatch = false;      // refuses with 412 what If-Match does not allow
  bool takesIfNoneMatch = false;  // answers 304 what the client has
  Audit audit = Audit::changes;
};

// What the request carries beside its path.
enum class Input : std::uint8_t { none, query, json, upload };

// One mounted route: everything router, gates, OpenAPI, docs, metrics and generated tests read.
struct Route {
  Method method = Method::get;
  std::string_view path;
  Access access = openToAll;
  std::string_view summary;
  RouteOptions options;
  Input input = Input::none;
  bool quick = false;  // runs on the network thread
  bool webSocket = false;
  int successStatus = 200;
  std::string_view tag;                  // of the API class, groups the docs
  const json::Type* request = nullptr;   // of the body, or of the query; nullptr: takes none
  const json::Type* response = nullptr;  // nullptr: no JSON
  std::move_only_function<void(Call) const> handler;
  bool takesIdempotencyKey() const {
    return method == Method::post && !access.isOpen() && options.repeatable == Repeatable::byKey;
  }
  // Upload routes: says where the body goes; runs on the api pool before the body is read.
  std::move_only_function<Result<std::shared_ptr<BodySink>>(Call&) const> openUpload;
};

// Whether a call of it that succeeds is a line of the audit log.
bool isAudited(const Route& route);

namespace detail {

template <auto Handler>
struct HandlerTraits;
template <class Api, class Out, class In, Result<Out> (Api::*Handler)(Call&, const In&)>
struct HandlerTraits<Handler> {
  using ApiType = Api;
  using Request = In;
  using Answer = Out;
  static constexpr bool kQuick = false;
};
template <class Api, class Out, Result<Out> (Api::*Handler)(Call&)>
struct HandlerTraits<Handler> {
  using ApiType = Api;
  using Request = void;
  using Answer = Out;
  static constexpr bool kQuick = false;
};
template <class Api, class Out, class In, void (Api::*Handler)(Call, In, Reply<Out>)>
struct HandlerTraits<Handler> {
  using ApiType = Api;
  using Request = In;
  using Answer = Out;
  static constexpr bool kQuick = true;
};
template <class Api, class Out, void (Api::*Handler)(Call, Reply<Out>)>
struct HandlerTraits<Handler> {
  using ApiType = Api;
  using Request = void;
  using Answer = Out;
  static constexpr bool kQuick = true;
};

template <class Out>
struct AnswerTraits {
  using Body = Out;
  static constexpr int kStatus = 200;
};
template <class T>
struct AnswerTraits<Created<T>> {
  using Body = T;
  static constexpr int kStatus = 201;
};
template <class T>
struct AnswerTraits<Accepted<T>> {
  using Body = T;
  static constexpr int kStatus = 202;
};
template <>
struct AnswerTraits<NoContent> {
  using Body = void;
  static constexpr int kStatus = 204;
};
template <>
struct AnswerTraits<Response> {
  using Body = void;
  static constexpr int kStatus = 200;
};

// What bodies may call themselves.
inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kMergePatchType = "application/merge-patch+json";  // RFC 7396
inline constexpr std::string_view kFileType = "application/octet-stream";

// Refuses bodies that are not JSON. A PATCH may also say that it is a merge patch, which it is.
Result<void> requireJson(const RequestHead& head);
// Refuses bodies that say they are something else than a file, or one of the other `types`.
Result<void> requireFile(const RequestHead& head, std::string_view types);

template <class In>
Result<In> decodeInput(const Call& call, Input input) {
  if (input != Input::json) return json::decodeQuery<In>(call.head().query);
  CORBEL_CHECK(requireJson(call.head()));
  return json::decode<In>(call.body());
}

// The answer of a plain handler. What a library throws through it becomes internal, its reason a
// detail for the log.
template <class Out>
Result<Out> guarded(auto&& handle) {
  try {
    return handle();
  } catch (const std::exception& exception) {
    return fail(ErrorCode::internal, std::string(kOurFault), exception.what());
  }
}

template <auto Handler, class Api>
void invoke(Api& api, Call call, Input input) {
  using Traits = HandlerTraits<Handler>;
  using Out = Traits::Answer;
  if constexpr (std::is_void_v<typename Traits::Request>) {
    if constexpr (Traits::kQuick) {
      Reply<Out> reply(call);
      (api.*Handler)(std::move(call), std::move(reply));
    } else {
      Reply<Out> reply(call);
      reply(guarded<Out>([&] { return (api.*Handler)(call); }));
    }
  } else {
    Reply<Out> reply(call);
    auto request = decodeInput<typename Traits::Request>(call, input);
    if (!request) return reply(std::unexpected(std::move(request).error()));
    if constexpr (Traits::kQuick) {
      (api.*Handler)(std::move(call), std::move(*request), std::move(reply));
    } else {
      reply(guarded<Out>([&] { return (api.*Handler)(call, *request); }));
    }
  }
}

}  // namespace detail

template <auto Handler>
struct RouteSpec {
  Method method;
  std::string_view path;
  Access access;
  std::string_view summary;
  RouteOptions options;

  // `api` must outlive the route.
  template <class Api>
  Route mount(Api& api) const {
    return mountReading(api, hasBody() ? Input::json : Input::query);
  }

  // `input` says where the handler's argument is read from, if it takes one.
  template <class Api>
  Route mountReading(Api& api, Input input) const {
    Route route = describeReading(input);
    route.handler = [&api, input = route.input](Call call) {
      detail::invoke<Handler>(api, std::move(call), input);
    };
    return route;
  }

  // Everything but the handler.
  Route describe() const { return describeReading(hasBody() ? Input::json : Input::query); }
  bool hasBody() const {
    return method == Method::post || method == Method::put || method == Method::patch;
  }
  Route describeReading(Input input) const {
    using Traits = detail::HandlerTraits<Handler>;
    using Answer = detail::AnswerTraits<typename Traits::Answer>;
    Route route;
    route.method = method;
    route.path = path;
    route.access = access;
    route.summary = summary;
    route.options = options;
    route.quick = Traits::kQuick;
    route.successStatus = Answer::kStatus;
    if constexpr (!std::is_void_v<typename Traits::Request>) {
      using In = Traits::Request;
      route.input = input;
      route.request = &json::kType<In>;
    }
    if constexpr (!std::is_void_v<typename Answer::Body>) {
      route.response = &json::kType<typename Answer::Body>;
    } else {
      route.response = options.answer;
    }
    return route;
  }
};

// A body that streams into a sink: `Open` runs on the api pool before the body is read, `Finish`
// after it was; what `Finish` takes is read from the query.
template <auto Open, auto Finish>
struct UploadSpec {
  Method method;
  std::string_view path;
  Access access;
  std::string_view summary;
  RouteOptions options;

  template <class Api>
  Route mount(Api& api) const {
    Route route =
        RouteSpec<Finish>{method, path, access, summary, options}.mountReading(api, Input::upload);
    route.openUpload = [&api](Call& call) { return (api.*Open)(call); };
    return route;
  }
  Route describe() const {
    return RouteSpec<Finish>{method, path, access, summary, options}.describeReading(Input::upload);
  }
};

// A WebSocket: `Open` runs on the api pool when the gates have let the call pass, and gives the
// handler of the messages (of up to bodyMax bytes). A page of another site is refused unless its
// origin is allowed.
template <auto Open>
struct WebSocketSpec {
  std::string_view path;
  Access access;
  std::string_view summary;
  RouteOptions options;

  template <class Api>
  Route mount(Api& api) const {
    Route route = describe();
    route.handler = [&api, maxMessage = options.bodyMax](Call call) {
      Reply<Response> reply(call);
      reply(detail::guarded<Response>([&]() -> Result<Response> {
        CORBEL_TRY(auto handler, (api.*Open)(call));
        return webSocketResponse(call.head(), {std::move(handler), maxMessage});
      }));
    };
    return route;
  }
  Route describe() const {
    Route route;
    route.path = path;
    route.access = access;
    route.summary = summary;
    route.options = options;
    route.successStatus = 101;
    route.webSocket = true;
    return route;
  }
};

template <auto Handler>
constexpr auto get(std::string_view path, Access access, std::string_view summary,
                   RouteOptions options = {}) {
  return RouteSpec<Handler>{Method::get, path, access, summary, options};
}
template <auto Handler>
constexpr auto post(std::string_view path, Access access, std::string_view summary,
                    RouteOptions options = {}) {
  return RouteSpec<Handler>{Method::post, path, access, summary, options};
}
template <auto Handler>
constexpr auto put(std::string_view path, Access access, std::string_view summary,
                   RouteOptions options = {}) {
  return RouteSpec<Handler>{Method::put, path, access, summary, options};
}
template <auto Handler>
constexpr auto patch(std::string_view path, Access access, std::string_view summary,
                     RouteOptions options = {}) {
  return RouteSpec<Handler>{Method::patch, path, access, summary, options};
}
template <auto Handler>
constexpr auto del(std::string_view path, Access access, std::string_view summary,
                   RouteOptions options = {}) {
  return RouteSpec<Handler>{Method::del, path, access, summary, options};
}
template <auto Open>
constexpr auto webSocket(std::string_view path, Access access, std::string_view summary,
                         RouteOptions options = {}) {
  return WebSocketSpec<Open>{path, access, summary, options};
}
template <auto Open, auto Finish>
constexpr auto upload(std::string_view path, Access access, std::string_view summary,
                      RouteOptions options = {}) {
  return UploadSpec<Open, Finish>{Method::post, path, access, summary, options};
}

// The routes of one API object, in the order it lists them.
template <class Api>
std::vector<Route> mount(Api& api, std::string_view tag) {
  std::vector<Route> routes;
  std::apply([&](const auto&... specs) { (routes.push_back(specs.mount(api)), ...); },
             Api::routes());
  for (Route& route : routes) route.tag = tag;
  return routes;
}

// The same without handlers: what the document needs of a program that does not serve.
template <class Api>
std::vector<Route> describe(std::string_view tag) {
  std::vector<Route> routes;
  std::apply([&](const auto&... specs) { (routes.push_back(specs.describe()), ...); },
             Api::routes());
  for (Route& route : routes) route.tag = tag;
  return routes;
}

}  // namespace corbel::http
