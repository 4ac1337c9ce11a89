// The help of `pleat` itself, made from the table of verbs.
#pragma once

#include <string>

namespace pleat {

std::string help_text();

}  // namespace pleat
