# Turns services.yaml into a C array, so that the program carries it.
file(READ ${INPUT} octets HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," octets "${octets}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" octets "${octets}")
file(WRITE ${OUTPUT} "#include <stddef.h>\n#include \"resolver/config/read.h\"\n\nconst unsigned char services_shipped[] = {\n${octets}0};\nconst size_t services_shipped_len = sizeof services_shipped - 1;\n")
