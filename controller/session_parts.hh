// SessionParts: the machines of one run: which they are, how they are called, and what is true of
// some or all of them.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/session_part.hh"

namespace pleat {

class SessionParts {
  public:
    using Filter = std::function<bool(const SessionPart&)>;

    // `plan` must outlive it.
    explicit SessionParts(const RunPlan& plan);

    // Nothing when the machine has no part in the run.
    SessionPart* find(const std::string& machine);

    std::size_t size() const { return parts_.size(); }

    bool one() const { return parts_.size() == 1; }

    auto begin() { return parts_.begin(); }

    auto end() { return parts_.end(); }

    auto begin() const { return parts_.begin(); }

    auto end() const { return parts_.end(); }

    const SessionPart& operator[](std::size_t index) const { return parts_[index]; }

    template <typename Predicate>
    bool all(const Predicate& holds) const {
        return std::ranges::all_of(parts_, holds);
    }

    // Has any node a run that it must be told the end of?
    bool any_open() const;

    // ---- names

    // "the node", or "machine m2"; "machines m2, m3" of those that `filter` holds for.
    std::string who(const SessionPart& part) const;
    std::string who(const Filter& filter) const;
    // A problem as a node tells it, with its name where there are several.
    std::string said_by(const SessionPart& part, const std::string& problem) const;

    // ---- signs of life, while the run is under way

    struct Silence {
        std::vector<const SessionPart*> fresh;  // silent from now on
        bool of_all = false;                    // nobody who is open speaks
    };

    // One that has said nothing for so long is silent.
    Silence look_for_silence(Instant now, Duration patience);
    // When there may be another one.
    std::optional<Instant> next_silence(Duration patience) const;

    // ---- what they say together

    // How far those are that have said it, each told once; nothing when none has.
    std::optional<Progress> take_progress();
    Duration worst_round_trip() const;
    std::vector<MachineResult> results() const;

  private:
    std::vector<SessionPart> parts_;
};

}  // namespace pleat
