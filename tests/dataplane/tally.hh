// How many cases of a suite (or of one plane in it) were run, were skipped for want of something,
// or do not concern it. Said on stderr when the program ends, always in these words:
//     cases of edt: 41 run, 3 skipped, 1 not applicable
//     SKIPPED 3 of 45 cases of edt: there is no sch_fq
#pragma once

#include <iostream>
#include <string>
#include <utility>

namespace pleat::testing {

class Tally {
  public:
    explicit Tally(std::string of) : of_{std::move(of)} {}

    Tally(const Tally&) = delete;
    Tally& operator=(const Tally&) = delete;

    ~Tally() {
        std::cerr << "cases of " << of_ << ": " << run_ << " run, " << skipped_ << " skipped, "
                  << not_applicable_ << " not applicable\n";
        if (skipped_ == 0) return;
        std::cerr << "SKIPPED " << skipped_ << " of " << run_ + skipped_ + not_applicable_
                  << " cases of " << of_ << ": " << why_ << '\n';
    }

    // A case begins; whether it can run: when nothing is missing.
    bool begin(const std::string& missing) {
        if (missing.empty()) {
            ++run_;
            return true;
        }
        ++skipped_;
        note(missing);
        return false;
    }

    // The one that has begun last turns out to lack something, or does not concern this plane.
    void skip(const std::string& missing) {
        --run_;
        ++skipped_;
        note(missing);
    }

    void is_not_applicable() {
        --run_;
        ++not_applicable_;
    }

  private:
    void note(const std::string& missing) {
        if (why_.find(missing) != std::string::npos) return;
        why_ += (why_.empty() ? "" : "; ") + missing;
    }

    std::string of_;
    int run_ = 0;
    int skipped_ = 0;
    int not_applicable_ = 0;
    std::string why_;
};

}  // namespace pleat::testing
