// HostShaping: what makes an interface that of a host of the `edt` plane: fq at its root, clsact,
// and at its egress the plane's program, which is told by the filter's classid whose
// packets they are. Three requests.
//
// (1) When the constructor returns everything that leaves the interface is shaped; when it
//     throws, the interface is as it was.
// (2) A qdisc or filter that somebody else asked for is refused, by name. With `takeover`
//     the root qdisc is put back at the end and a clsact is shared; what can't be put back
//     (a root qdisc with classes) or does not leave room is refused all the same.
// (3) Ours are told by their names: fq by its handle, the filter by the run's mark.
// (4) An interface that is gone needs no undoing.
// (5) What somebody else removes of it, or puts in its place, is put back by mend(), a limited
//     number of times: another program may insist.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "node/dataplane/edt/source_needs.hh"
#include "node/dataplane/edt/traffic_control.hh"

namespace pleat {

class HostShaping {
  public:
    struct Attach {
        std::string mark;  // of the run
        int program = -1;
        std::uint32_t classid = 0;
        bool takeover = false;
    };

    HostShaping(TrafficControl interface, Attach attach, const SourceNeeds& needs);
    HostShaping(const HostShaping&) = delete;
    HostShaping& operator=(const HostShaping&) = delete;
    ~HostShaping();

    // What an earlier owner of the same mark and classid left in force; nothing when it is
    // not there. Nothing is changed but what is missing of `needs`.
    static std::unique_ptr<HostShaping> adopt(TrafficControl& interface, const Attach& attach,
                                              const SourceNeeds& needs);

    // The interface stays as it is when this object goes.
    void leave() { left_ = true; }

    // Before tables with more needs are in force. What was granted once stays.
    void provide(const SourceNeeds& needs);

    // Puts back what is missing. True: something was. Throws Failure when that fails, or when it
    // was put back too often.
    bool mend();

    // Drops what waits in fq, and all that arrives, until connect().
    void cut(int drop_all_program);
    void connect();

    bool is_cut() const { return is_cut_; }

    const std::string& interface() const { return control_.interface(); }

    int index() const { return control_.index(); }

  private:
    struct Adopted {};

    HostShaping(Adopted, TrafficControl interface, Attach attach, std::uint16_t major);

    void take_root();
    void take_clsact();
    void attach_program();
    void attach_drop();
    bool mend_root();
    bool mend_filters();
    void undo() noexcept;

    TrafficControl control_;
    Attach attach_;
    bool left_ = false;
    std::uint16_t major_;
    SourceNeeds granted_{};
    std::optional<QdiscFound> former_root_;
    bool has_root_ = false;
    bool has_clsact_ = false;  // and it is ours
    bool has_filter_ = false;
    bool is_cut_ = false;
    int drop_all_program_ = -1;  // of cut(); what an adopted one was cut with is not known
    int mends_ = 0;
    std::optional<std::uint32_t> former_gso_segments_;
};

}  // namespace pleat
