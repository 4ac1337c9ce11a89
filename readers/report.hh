// Report: the texts that are being read, and what is to be said about them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "readers/problem.hh"

namespace pleat {

// A point in one of the texts of a Report.
struct Place {
    std::uint32_t source = 0;
    int line = 0;    // from 1; 0: the text as a whole
    int column = 0;  // in bytes, from 1

    friend auto operator<=>(const Place&, const Place&) = default;
};

// Where a text stands, and where each of its bytes does, as near as is known.
struct TextPlace {
    Place place;
    // The text stands literally in the source, this many bytes after `place` (1 after a
    // quote). Nothing: it is folded, escaped or had variables.
    std::optional<int> literal;

    Place at(std::size_t offset) const {
        if (!literal) return place;
        return Place{place.source, place.line, place.column + *literal + static_cast<int>(offset)};
    }
};

class Report {
  public:
    // The Place::source of a text. Its name is what problems call it.
    std::uint32_t add_source(std::string name, std::string text);

    const std::string& name(std::uint32_t source) const { return sources_[source].name; }

    const std::string& text(std::uint32_t source) const { return sources_[source].text; }

    // Without its end-of-line; empty where there is none.
    std::string_view line(std::uint32_t source, int number) const;

    // The place of a byte.
    Place place(std::uint32_t source, std::size_t offset) const;

    // "line 3, column 5", with the file's name when it is not that of `from`.
    std::string where(Place place, Place from) const;

    void error(Place place, std::string code, std::string message, std::string suggest = {});
    void warning(Place place, std::string code, std::string message, std::string suggest = {});
    void note(Place place, std::string code, std::string message, std::string suggest = {});

    std::size_t errors() const { return errors_; }

    // Suggestions take time; none are sought once there are many problems.
    bool patient() const { return problems_.size() < kPatience; }

    // In the order of their places, each once.
    std::vector<Problem> problems() const;

  private:
    struct Source {
        std::string name;
        std::string text;
        std::vector<std::size_t> lines;  // where each begins
    };

    struct Entry {
        Place place;
        Problem problem;
    };

    static constexpr std::size_t kPatience = 50;

    int column(Place place) const;  // in characters, from 1
    void add(Problem::Severity severity, Place place, std::string code, std::string message,
             std::string suggest);

    std::vector<Source> sources_;
    std::vector<Entry> problems_;
    std::size_t errors_ = 0;
};

}  // namespace pleat
