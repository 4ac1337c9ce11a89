// ShapingGuard: what becomes of a host whose interface, or whose shaping on it, somebody removes
// during a run. The classifier is put back; where anything else is gone, nothing that the host
// sends passes any more. Other hosts go on as they are.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "node/dataplane/netem/tcal.hh"
#include "node/netlink/interface_watch.hh"

namespace pleat {

class ShapingGuard {
  public:
    struct Outputs {
        std::function<void()> attach_classifier;  // requests of it; empty without BPF
        std::function<void()> lost;               // at the first trouble
    };

    // Guards the interface that the Tcal shapes, in this network namespace, for as long as it
    // lives.
    ShapingGuard(boost::asio::io_context& loop, int network_namespace, Tcal& tcal, std::string host,
                 Outputs outputs);

  private:
    void interface_gone();
    void changed(bool inner);
    void mend(bool inner);
    void keep_from_sending();
    void report(const std::string& what);

    Tcal& tcal_;
    std::string host_;
    Outputs outputs_;
    bool is_lost_ = false;
    std::unique_ptr<InterfaceWatch> watch_;  // none when the interface is gone
};

}  // namespace pleat
