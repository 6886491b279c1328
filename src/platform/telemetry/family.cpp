#include "family.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <iterator>

#include "base/json_text.h"

namespace corbel::metrics {
namespace {

constexpr std::string_view kOther = "other";
constexpr std::size_t kFirstSlots = 16;

std::size_t hashOf(std::span<const std::string_view> values) {
  std::size_t hash = 0;
  // boost::hash_combine's mixing
  for (const auto value : values)
    hash ^= std::hash<std::string_view>()(value) + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
  return hash;
}

// The text format knows three escapes (\\, \" and \n). What JSON would escape otherwise has no
// place in a label.
std::string labelValue(std::string_view value) {
  std::string json;
  appendJsonString(json, value);
  std::string text;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] != '\\') {
      text += json[i];
      continue;
    }
    const char escape = json[++i];
    text += std::string_view("\\\"n").contains(escape) ? fmt::format("\\{}", escape) : "?";
    if (escape == 'u') i += 4;
  }
  return text;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string_view wordOf(Kind kind) {
  switch (kind) {
    case Kind::counter:
      return "counter";
    case Kind::gauge:
      return "gauge";
    case Kind::histogram:
      return "histogram";
  }
  std::unreachable();
}

void sample(std::string& out, std::string_view name, std::string_view labels,
            std::string_view value) {
  out += name;
  if (!labels.empty()) fmt::format_to(std::back_inserter(out), "{{{}}}", labels);
  fmt::format_to(std::back_inserter(out), " {}\n", value);
}

double nanosecondsIn(Unit unit) { return unit == Unit::milliseconds ? 1e6 : 1e9; }

}  // namespace

Family::Family(const Metrics::Declaration& declaration)
    : name_(declaration.name),
      help_(declaration.help),
      labelNames_(declaration.labels.begin(), declaration.labels.end()),
      kind_(declaration.kind),
      unit_(declaration.unit),
      bounds_(declaration.bounds) {
  tables_.push_back(std::make_unique<Table>(kFirstSlots));
  table_ = tables_.back().get();
}

bool Family::isDeclaredAs(const Metrics::Declaration& declaration) const {
  return declaration.kind == kind_ && std::ranges::equal(declaration.labels, labelNames_);
}

Family::Child* Family::find(const Table& table, std::size_t hash,
                            std::span<const std::string_view> values) {
  for (std::size_t at = hash;; ++at) {
    Child* child = table.slots[at & (table.slots.size() - 1)].load(std::memory_order_acquire);
    if (child == nullptr || (child->hash == hash && std::ranges::equal(child->values, values)))
      return child;
  }
}

void Family::insert(Table& table, Child* child) {
  std::size_t at = child->hash & (table.slots.size() - 1);
  while (table.slots[at].load(std::memory_order_relaxed) != nullptr)
    at = (at + 1) & (table.slots.size() - 1);
  table.slots[at].store(child, std::memory_order_release);
}

Family::Child& Family::child(std::span<const std::string_view> values) {
  if (Child* found = find(*table_.load(std::memory_order_acquire), hashOf(values), values))
    return *found;
  std::vector<std::string_view> cut(values.begin(), values.end());
  for (std::string_view& value : cut) value = value.substr(0, kLabelBytes);
  return add(cut);
}

Family::Child& Family::add(std::span<const std::string_view> values) {
  const MutexLock lock(mutex_);
  std::vector<std::string_view> bounded(values.begin(), values.end());
  for (const std::size_t bound : {kLabelSets, 2 * kLabelSets}) {
    if (Child* found = find(*table_.load(), hashOf(bounded), bounded)) return *found;
    if (children_.size() < bound) return addNew(bounded);
    bounded.back() = kOther;
  }
  bounded.assign(values.size(), kOther);
  Child* found = find(*table_.load(), hashOf(bounded), bounded);
  return found != nullptr ? *found : addNew(bounded);
}

Family::Child& Family::addNew(std::span<const std::string_view> values) {
  const auto make = [&](auto... metric) {
    return std::make_unique<Child>(values, hashOf(values), labelsText(values), metric...);
  };
  switch (kind_) {
    case Kind::counter:
      children_.push_back(make(std::in_place_type<Counter>));
      break;
    case Kind::gauge:
      children_.push_back(make(std::in_place_type<Gauge>));
      break;
    case Kind::histogram:
      children_.push_back(make(std::in_place_type<Histogram>, unit_, bounds_));
      break;
  }
  if (children_.size() * 2 > tables_.back()->slots.size()) {
    tables_.push_back(std::make_unique<Table>(tables_.back()->slots.size() * 2));
    for (const auto& child : children_) insert(*tables_.back(), child.get());
    table_.store(tables_.back().get(), std::memory_order_release);
  } else {
    insert(*tables_.back(), children_.back().get());
  }
  return *children_.back();
}

std::string Family::labelsText(std::span<const std::string_view> values) const {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{}={}", i == 0 ? "" : ",", labelNames_[i],
                   labelValue(values[i]));
  }
  return text;
}

std::uint64_t Family::addCallback(std::span<const std::string_view> values,
                                  std::function<double()> value) {
  const MutexLock lock(mutex_);
  callbacks_.push_back({++lastCallback_, labelsText(values), std::move(value)});
  return lastCallback_;
}

void Family::removeCallback(std::uint64_t id) {
  const MutexLock lock(mutex_);
  std::erase_if(callbacks_, [id](const Callback& callback) { return callback.id == id; });
}

void Family::expose(std::string& out) const {
  const MutexLock lock(mutex_);
  fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name_, help_, name_,
                 wordOf(kind_));
  for (const auto& child : children_) {
    if (const auto* counter = std::get_if<Counter>(&child->metric)) {
      sample(out, name_, child->labels, std::to_string(counter->value()));
    } else if (const auto* gauge = std::get_if<Gauge>(&child->metric)) {
      sample(out, name_, child->labels, number(gauge->value()));
    } else {
      exposeHistogram(out, child->labels, std::get<Histogram>(child->metric));
    }
  }
  for (const Callback& callback : callbacks_)
    sample(out, name_, callback.labels, number(callback.value()));
}

void Family::exposeHistogram(std::string& out, const std::string& labels,
                             const Histogram& histogram) const {
  const Histogram::Snapshot snapshot = histogram.snapshot();
  const std::string bucket = name_ + "_bucket";
  const std::string separator = labels.empty() ? "" : ",";
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    count += snapshot.buckets[i];
    if (std::isinf(bounds_[i])) continue;
    sample(out, bucket, fmt::format("{}{}le=\"{}\"", labels, separator, bounds_[i]),
           std::to_string(count));
  }
  count += snapshot.buckets.back();
  sample(out, bucket, fmt::format("{}{}le=\"+Inf\"", labels, separator), std::to_string(count));
  sample(out, name_ + "_sum", labels,
         number(static_cast<double>(snapshot.sumNs) / nanosecondsIn(unit_)));
  sample(out, name_ + "_count", labels, std::to_string(count));
}

}  // namespace corbel::metrics
