// Numbers as people read them, and tables of text.
#pragma once

#include <string>
#include <vector>

#include "model/units.hh"

namespace pleat {

std::string text_of(Duration time);       // "40ms", "1.5ms", "250us", "0ms"
std::string text_of(Bandwidth rate);      // "58.9 Mbit/s", "unlimited"
std::string percent(Probability chance);  // "1 %", "0 %", "0.0012 %"
std::string clock(Duration time);         // "00:34", "1:02:03"
std::string seconds(Duration time);       // "0.1s"
std::string spoken(Duration time);        // "1m31s", "2.4s"

// Columns aligned to the left, two spaces apart; the first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace pleat
