#include "node/dataplane/edt/host_shaping.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <linux/pkt_sched.h>

#include "base/error.hh"
#include "base/log.hh"
#include "node/dataplane/kernel/refusals.hh"

namespace pleat {

namespace {

std::uint16_t other(std::uint16_t major) {
    return major == kFqMajors[0] ? kFqMajors[1] : kFqMajors[0];
}

std::string drop_mark(const std::string& mark) {
    return mark + " cut";
}

std::string major_text(std::uint32_t handle) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%x:", handle >> 16);
    return text.data();
}

[[noreturn]] void refuse(const TrafficControl& control, const std::string& what) {
    throw Failure{"interface " + control.interface() + " " + what};
}

[[noreturn]] void fail_request(const TrafficControl& control, const std::string& what, int error) {
    std::string text = "cannot " + what + " on " + control.interface() + ": " +
                       std::system_category().message(error);
    if (!control.why().empty()) text += " (" + control.why() + ")";
    throw Failure{text};
}

std::optional<QdiscFound> root_of(TrafficControl& control) {
    for (QdiscFound& one : control.qdiscs()) {
        if (one.parent == TC_H_ROOT && one.handle != 0) return std::move(one);
    }
    return std::nullopt;
}

bool has_children(TrafficControl& control, const QdiscFound& root) {
    return std::ranges::any_of(control.qdiscs(), [&root](const QdiscFound& one) {
        return one.parent != TC_H_ROOT && one.parent != TC_H_CLSACT &&
               TC_H_MAJ(one.parent) == root.handle;
    });
}

}  // namespace

HostShaping::HostShaping(TrafficControl interface, Attach attach, const SourceNeeds& needs)
    : control_{std::move(interface)}, attach_{std::move(attach)}, major_{kFqMajors[0]} {
    granted_.packet_limit = needs.packet_limit;
    try {
        take_root();
        take_clsact();
        attach_program();
        provide(needs);
    } catch (...) {
        undo();
        throw;
    }
}

HostShaping::HostShaping(Adopted, TrafficControl interface, Attach attach, std::uint16_t major)
    : control_{std::move(interface)},
      attach_{std::move(attach)},
      major_{major},
      has_root_{true},
      has_clsact_{true},
      has_filter_{true} {}

HostShaping::~HostShaping() {
    if (!left_) undo();
}

std::unique_ptr<HostShaping> HostShaping::adopt(TrafficControl& interface, const Attach& attach,
                                                const SourceNeeds& needs) {
    const std::vector<FilterFound> filters = interface.filters(ClsactSide::egress);
    const bool ours = std::ranges::any_of(filters, [&attach](const FilterFound& one) {
        return one.name == attach.mark && one.classid == attach.classid;
    });
    const std::optional<QdiscFound> root = root_of(interface);
    if (!ours || !root || root->kind != "fq") return nullptr;
    const auto major = static_cast<std::uint16_t>(root->handle >> 16);
    if (std::ranges::find(kFqMajors, major) == kFqMajors.end()) return nullptr;
    const std::vector<FilterFound> drops = interface.filters(ClsactSide::ingress);
    std::unique_ptr<HostShaping> result{
        new HostShaping{Adopted{}, std::move(interface), attach, major}};
    result->is_cut_ = std::ranges::any_of(
        drops, [&attach](const FilterFound& one) { return one.name == drop_mark(attach.mark); });
    result->has_clsact_ = filters.size() == 1 && drops.size() == (result->is_cut_ ? 1U : 0U);
    // A lower limit would drop what waits.
    result->granted_.packet_limit = TrafficControl::packet_limit(*root);
    result->provide(needs);
    return result;
}

void HostShaping::attach_program() {
    if (const int error = control_.add_filter(ClsactSide::egress, kFilterPreference,
                                              attach_.program, attach_.mark, attach_.classid)) {
        if (error == EEXIST) {
            refuse(control_,
                   "has an egress filter of preference 1, before which pleat's "
                   "can't be: give it another preference");
        }
        fail_request(control_, "attach the edt program", error);
    }
    has_filter_ = true;
}

void HostShaping::attach_drop() {
    if (const int error = control_.add_filter(ClsactSide::ingress, kFilterPreference,
                                              drop_all_program_, drop_mark(attach_.mark), 0)) {
        fail_request(control_, "attach the program that drops all", error);
    }
}

void HostShaping::take_root() {
    const int error = control_.add_fq(major_, granted_.packet_limit);
    if (error == EEXIST) {
        const std::optional<QdiscFound> root = root_of(control_);
        const std::string name = root ? "'" + root->kind + "' (" + major_text(root->handle) + ")"
                                      : std::string{"that can't be seen"};
        if (!attach_.takeover) {
            refuse(control_, "has a root qdisc " + name +
                                 " that is not this run's: remove it (tc qdisc del dev " +
                                 control_.interface() + " root)" + kOrTakeOver);
        }
        if (!root || has_children(control_, *root)) {
            refuse(control_, "has a root qdisc " + name +
                                 " with classes, which could not be put back: remove it first");
        }
        control_.replace_by_fq(major_, granted_.packet_limit);
        former_root_ = root;
    } else if (error != 0) {
        fail_request(control_, "add the qdisc fq", error);
    }
    has_root_ = true;
}

void HostShaping::take_clsact() {
    const int error = control_.add_clsact();
    if (error == 0) {
        has_clsact_ = true;
        return;
    }
    if (error != EEXIST) fail_request(control_, "add the qdisc clsact", error);
    const std::vector<QdiscFound> all = control_.qdiscs();
    const auto found = std::ranges::find(all, TC_H_CLSACT, &QdiscFound::parent);
    const std::string kind = found == all.end() ? "clsact" : found->kind;
    if (attach_.takeover && kind == "clsact") return;
    std::string filters;
    for (const FilterFound& one : control_.filters(ClsactSide::egress)) {
        filters += (filters.empty() ? " with egress filters " : ", ") + one.kind +
                   (one.name.empty() ? "" : " '" + one.name + "'");
    }
    refuse(control_, "has a qdisc '" + kind + "'" + filters +
                         " that is not this run's: remove it (tc qdisc del dev " +
                         control_.interface() + " " + kind + ")" +
                         (kind == "clsact" ? kOrTakeOver : ""));
}

void HostShaping::provide(const SourceNeeds& needs) {
    if (needs.packet_limit > granted_.packet_limit) {
        control_.change_fq(major_, needs.packet_limit);
        granted_.packet_limit = needs.packet_limit;
    }
    if (needs.chances && !granted_.chances) {
        former_gso_segments_ = control_.gso_max_segments();
        control_.set_gso_max_segments(1);
        granted_.chances = true;
    }
}

void HostShaping::cut(int drop_all_program) {
    control_.replace_by_fq(other(major_), granted_.packet_limit);
    major_ = other(major_);
    drop_all_program_ = drop_all_program;
    if (is_cut_) return;
    attach_drop();
    is_cut_ = true;
}

bool HostShaping::mend() {
    constexpr int kMostMends = 20;
    if (mends_ > kMostMends) return false;
    bool mended = mend_root();
    mended |= mend_filters();
    if (!mended) return false;
    if (++mends_ > kMostMends) {
        refuse(control_,
               "loses its shaping again and again to somebody else: it is not put back "
               "any more, and from the next time on this host is not shaped");
    }
    return true;
}

bool HostShaping::mend_root() {
    const std::optional<QdiscFound> root = root_of(control_);
    if (root && root->kind == "fq" && root->handle == std::uint32_t{major_} << 16) return false;
    control_.replace_by_fq(major_, granted_.packet_limit);
    return true;
}

bool HostShaping::mend_filters() {
    const auto has = [this](ClsactSide side, const std::string& name) {
        return std::ranges::any_of(control_.filters(side),
                                   [&name](const FilterFound& one) { return one.name == name; });
    };
    // To the qdisc ingress its one block of filters is that of egress, too.
    const std::vector<QdiscFound> all = control_.qdiscs();
    const auto at_clsact = std::ranges::find(all, TC_H_CLSACT, &QdiscFound::parent);
    if (at_clsact != all.end() && at_clsact->kind != "clsact") {
        refuse(control_, "has a qdisc '" + at_clsact->kind +
                             "' of somebody else in the place of clsact: the shaping can't be put "
                             "back, and what the host sends is not shaped");
    }
    const bool lacks_program = !has(ClsactSide::egress, attach_.mark);
    const bool lacks_drop =
        is_cut_ && drop_all_program_ >= 0 && !has(ClsactSide::ingress, drop_mark(attach_.mark));
    if (!lacks_program && !lacks_drop) return false;
    const int error = control_.add_clsact();
    if (error != 0 && error != EEXIST) fail_request(control_, "add the qdisc clsact", error);
    if (error == 0) has_clsact_ = true;
    if (lacks_program) attach_program();
    if (lacks_drop) attach_drop();
    return true;
}

void HostShaping::connect() {
    if (!is_cut_) return;
    control_.remove_filter(ClsactSide::ingress, kFilterPreference);
    is_cut_ = false;
}

void HostShaping::undo() noexcept {
    // Each step for itself: what one can't undo the next one may.
    const auto step = [](bool done, auto&& action) {
        if (!done) return;
        try {
            action();
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
            // (4); and at the end of a run most interfaces are.
        }
    };
    step(is_cut_, [this] { control_.remove_filter(ClsactSide::ingress, kFilterPreference); });
    step(has_filter_, [this] { control_.remove_filter(ClsactSide::egress, kFilterPreference); });
    step(has_clsact_, [this] { control_.remove_clsact(); });
    step(has_root_, [this] {
        if (former_root_) {
            control_.put_back(*former_root_);
        } else {
            control_.remove_root(major_);
        }
    });
    step(former_gso_segments_.has_value(),
         [this] { control_.set_gso_max_segments(*former_gso_segments_); });
}

}  // namespace pleat
