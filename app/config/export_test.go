package config

// ParseDotenv is tried case by case against what dotenv makes of the same text.
var ParseDotenv = parseDotenv
