// The main program of every suite. One that judges real time (PLEAT_TRIES=3, see CONTRIBUTING.md)
// tries a case that fails twice more, and it must pass both times: what a machine that others use
// does once is no finding, and what pleat does wrong shows again.
#define CATCH_CONFIG_RUNNER
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

namespace {

// When so many fail, it was not the machine.
constexpr std::size_t kMostTriedAgain = 3;

std::vector<std::string>& failed_cases() {
    static std::vector<std::string> names;
    return names;
}

class FailureListener : public Catch::TestEventListenerBase {
  public:
    using TestEventListenerBase::TestEventListenerBase;

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        if (!stats.totals.assertions.allOk()) failed_cases().push_back(stats.testInfo.name);
    }
};
CATCH_REGISTER_LISTENER(FailureListener)

// The name as the command line takes it.
std::string escaped(std::string_view name) {
    std::string result;
    for (const char one : name) {
        if (std::string_view{"\\,[\""}.find(one) != std::string_view::npos) result += '\\';
        result += one;
    }
    return result;
}

long tries() {
    const char* const wanted = std::getenv("PLEAT_TRIES");  // NOLINT(concurrency-mt-unsafe): early
    return wanted == nullptr ? 1 : std::strtol(wanted, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
    Catch::Session session;
    int result = session.run(argc, argv);
    const std::vector<std::string> again = failed_cases();
    if (again.empty() || again.size() > kMostTriedAgain) return result;
    for (long number = 2; number <= tries(); ++number) {
        Catch::ConfigData data = session.configData();
        data.testsOrTags.clear();
        for (const std::string& name : again) {
            std::cerr << "TRIED AGAIN (" << number << " of " << tries() << "): " << name << '\n';
            data.testsOrTags.push_back(escaped(name) + ",");
        }
        session.useConfigData(data);
        result = session.run();
        if (result != 0) return result;
    }
    return result;
}
