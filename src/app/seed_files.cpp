#include "app/seed_files.h"

#include <cstddef>

// Not #embed, see src/api/pages/assets.cpp. NOLINTBEGIN(bugprone-macro-parentheses): names to
// declare
#define CORBEL_EMBED(symbol, file)                                         \
  asm(".pushsection .rodata\n" #symbol ":\n.incbin \"" file "\"\n" #symbol \
      "_end:\n.byte 0\n.popsection\n");                                    \
  extern "C" const char symbol[];                                          \
  extern "C" const char symbol##_end[]
// NOLINTEND(bugprone-macro-parentheses)

CORBEL_EMBED(corbel_seed_houses, CORBEL_SEED "/house-prices.json");
CORBEL_EMBED(corbel_seed_machines, CORBEL_SEED "/machine-failure.json");

namespace corbel::app {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

const std::string_view kHousePrices = between(corbel_seed_houses, corbel_seed_houses_end);
const std::string_view kMachineFailure = between(corbel_seed_machines, corbel_seed_machines_end);

}  // namespace corbel::app
