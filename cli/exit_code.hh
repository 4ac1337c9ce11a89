// ExitCode: what the process tells its caller. A contract with scripts: numbers are
// never given a second meaning.
#pragma once

namespace pleat {

enum class ExitCode : int {
    ok = 0,
    failed = 1,
    usage = 2,
    invalid_topology = 3,
    fidelity = 4,     // below --require-fidelity
    expectation = 5,  // an `expect:` failed
    not_found = 6,    // no such run, host or link
    controller_unreachable = 7,
    missing_privilege = 8,  // or kernel feature; the text names `pleat doctor`
    difference = 9,         // compare found one
    machine_lost = 10,
    timeout = 124,
    interrupted = 130,  // after a clean tear-down
};

}  // namespace pleat
