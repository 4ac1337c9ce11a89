#include "controller/way_check.hh"

#include <utility>

#include <fmt/format.h>

#include "base/error.hh"

namespace pleat {

WayCheck::WayCheck(std::vector<Pair> pairs, std::string name, Outputs outputs, Instant now)
    : pairs_{std::move(pairs)},
      name_{std::move(name)},
      outputs_{std::move(outputs)},
      deadline_{now} {
    begin_next(now);
}

std::string WayCheck::name() const {
    return fmt::format("{}/{}", name_, next_);
}

bool WayCheck::receive(const std::string& machine, const std::string& name,
                       const ControlMessage& message, Instant now) {
    if (!name.starts_with(name_ + "/")) return false;
    if (finished() || name != this->name()) return true;
    const bool leads = machine == pair().from;
    if (!leads && machine != pair().to) return true;
    if (const auto* failed = std::get_if<NodeFailed>(&message)) {
        end({}, fmt::format("machine {}: {}", machine, failed->message), now);
    } else if (const auto* opened = std::get_if<WayOpened>(&message)) {
        (leads ? from_way_ : to_way_) = opened->endpoint;
        if (!measuring_ && !from_way_.empty() && !to_way_.empty()) measure(now);
    } else if (const auto* measured = std::get_if<WayMeasured>(&message)) {
        if (leads && measuring_) end(measured->quality, {}, now);
    }
    return true;
}

void WayCheck::node_gone(const std::string& machine, Instant now) {
    if (finished()) return;
    if (machine != pair().from && machine != pair().to) return;
    end({}, fmt::format("machine {} is not connected", machine), now);
}

void WayCheck::tick(Instant now) {
    if (finished() || now < deadline_) return;
    const std::string& silent = measuring_ || from_way_.empty() ? pair().from : pair().to;
    end({}, fmt::format("machine {} does not answer", silent), now);
}

void WayCheck::begin_next(Instant now) {
    // A loop, for a machine may be gone already.
    while (++next_ <= pairs_.size()) {
        measuring_ = false;
        from_way_.clear();
        to_way_.clear();
        deadline_ = now + kOpeningPatience;
        outputs_.began(pair(), next_, pairs_.size());
        std::string gone;
        for (const std::string& machine : {pair().from, pair().to}) {
            if (gone.empty() && !outputs_.to_node(machine, OpenWay{}, name())) gone = machine;
        }
        if (gone.empty()) return;
        outputs_.measured(pair(), {}, fmt::format("machine {} is not connected", gone));
        if (gone == pair().to) {
            static_cast<void>(outputs_.to_node(pair().from, EndRun{}, name()));
        }
    }
}

void WayCheck::measure(Instant now) {
    measuring_ = true;
    deadline_ = now + kMeasuringPatience;
    const std::string key = outputs_.fresh_key();
    // The one that answers first: it waits longer than it takes for the other to hear.
    const bool told = outputs_.to_node(pair().to,
                                       MeasureWay{.peer = pair().from,
                                                  .way = from_way_,
                                                  .way_key = key,
                                                  .leads = false,
                                                  .rates = pair().rates},
                                       name());
    const std::string& last = told ? pair().from : pair().to;
    if (told && outputs_.to_node(pair().from,
                                 MeasureWay{.peer = pair().to,
                                            .way = to_way_,
                                            .way_key = key,
                                            .leads = true,
                                            .rates = pair().rates},
                                 name())) {
        return;
    }
    end({}, fmt::format("machine {} is not connected", last), now);
}

void WayCheck::end(const std::optional<WayQuality>& quality, const std::string& problem,
                   Instant now) {
    // What is left of it there, if anything.
    for (const std::string& machine : {pair().from, pair().to}) {
        static_cast<void>(outputs_.to_node(machine, EndRun{}, name()));
    }
    outputs_.measured(pair(), quality, problem);
    begin_next(now);
}

}  // namespace pleat
