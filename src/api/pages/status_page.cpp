#include "pages/status_page.h"

#include <algorithm>
#include <array>
#include <utility>

#include "assets.h"
#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::pages {
namespace {

struct Link {
  std::string_view path;
  std::string_view title;
  std::string_view text;
};
constexpr std::array kDocs = {
    Link{"/docs", "API, to try out", "Every call with a form that sends it"},
    Link{"/redoc", "API, to read", "The same as a reference with search"}};
constexpr Link kHealth{"/health", "Health", "For probes and load balancers"};
constexpr Link kMetrics{"/metrics", "Metrics", "For Prometheus; needs a key"};

std::string asHtml(const Link& link) {
  std::string html = "<li><a href=\"";
  return html.append(link.path)
      .append("\"><b>")
      .append(link.title)
      .append("</b><span>")
      .append(link.text)
      .append("</span></a></li>\n");
}

std::string asHtml(StatusPage::Links links) {
  std::string html;
  if (links.docs) {
    for (const Link& link : kDocs) html += asHtml(link);
  }
  html += asHtml(kHealth);
  if (links.metrics) html += asHtml(kMetrics);
  return html;
}

std::string_view nextStep(StatusPage::Links links) {
  return links.docs
             ? R"(Ask one of them for a prediction, or register your own: <a href="/docs">the documentation</a> shows how.)"
             : "Ask one of them for a prediction, or register your own.";
}

// What may stand in a Host header and is safe in HTML and in a shell: the page shows it as part of
// a command.
bool isAddress(std::string_view host) {
  return !host.empty() && host.size() <= 255 && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == ':' || c == '[' || c == ']';
  });
}

std::string addressOf(const http::RequestHead& head) {
  const std::string_view host = head.header("Host");
  return "http://" + std::string(isAddress(host) ? host : "127.0.0.1:3004");
}

std::string filled(std::string_view text,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string out;
  for (auto at = text.find("{{"); at != std::string_view::npos; at = text.find("{{")) {
    out += text.substr(0, at);
    const auto end = text.find("}}", at);
    const auto* value = std::ranges::find(values, text.substr(at + 2, end - at - 2),
                                          &std::pair<std::string_view, std::string_view>::first);
    if (value != values.end()) out += value->second;
    text.remove_prefix(end + 2);
  }
  return out.append(text);
}

// The one inline style is allowed by its hash, so nothing else that ends up in the page can bring
// its own.
std::string policyOf(std::string_view html) {
  constexpr std::string_view kOpen = "<style>";
  const auto from = html.find(kOpen) + kOpen.size();
  const auto style = html.substr(from, html.find("</style>") - from);
  return "default-src 'none'; img-src 'self'; style-src 'sha256-" +
         crypto::toBase64(crypto::sha256(style)) +
         "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

}  // namespace

StatusPage::StatusPage(std::string_view version, Links links, std::function<bool()> isReady)
    : version_(version),
      links_(links),
      isReady_(std::move(isReady)),
      policy_(policyOf(assets::kStatusHtml)) {}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the form of a handler that answers at once
void StatusPage::show(http::Call call, http::Reply<http::Response> reply) {
  const bool ready = isReady_();
  http::Response response{.contentType = "text/html; charset=utf-8", .headers = {}, .body = {}};
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("Content-Security-Policy", policy_);
  response.body = filled(assets::kStatusHtml, {{"state", ready ? "ready" : "not ready"},
                                               {"kind", ready ? "ready" : "waiting"},
                                               {"version", version_},
                                               {"links", asHtml(links_)},
                                               {"address", addressOf(call.head())},
                                               {"next", nextStep(links_)}});
  reply(std::move(response));
}

}  // namespace corbel::pages
