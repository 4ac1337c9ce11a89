// Doing something in another network namespace.
#pragma once

#include <exception>
#include <thread>

#include <sched.h>

#include "base/error.hh"

namespace pleat {

// Runs `action` on a thread of its own that has entered the namespace: what it opens there
// stays there. Throws what it throws, and when the namespace can't be entered.
template <typename Action>
void in_network_namespace(int network_namespace, Action&& action) {
    std::exception_ptr failed;
    std::thread{[&] {
        try {
            check("cannot enter a network namespace", ::setns(network_namespace, CLONE_NEWNET));
            action();
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
}

}  // namespace pleat
