// Endpoints: which are allowed, and why one can't be opened.
#pragma once

#include <functional>
#include <string>

namespace pleat {

// Throws Failure unless it is ipc:// with a path that fits a Unix socket, or tcp:// and
// there are keys.
void check_endpoint(const std::string& endpoint, bool keys);

// Of the socket's file; empty for tcp://.
std::string path_of(const std::string& endpoint);

// Opens an endpoint for listening with `bind`, which answers as zmq_bind does. Throws
// Failure when it is not allowed, in use, or can't be made.
void open_endpoint(const std::string& endpoint, bool keys,
                   const std::function<int(const std::string& endpoint)>& bind);

}  // namespace pleat
