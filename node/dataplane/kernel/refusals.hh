// What the kernel planes say alike when they refuse an interface.
#pragma once

namespace pleat {

// Behind "remove it": what else helps where the interface is a machine's own.
constexpr const char* kOrTakeOver =
    ", or, if it is that of a machine that is a host (attach: machine:NAME), run with --takeover: "
    "then it is kept and put back at the end";

}  // namespace pleat
