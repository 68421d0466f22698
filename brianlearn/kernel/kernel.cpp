{# The C++ standalone form of a Kernel: Brian2's own code for the signals, then one call. #}
{# USES_VARIABLES { N, _fault, _fault_time, t } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
#include "network.h"
{{ cpp_text }}
{% endblock %}

{% block maincode %}
    {% if has_signals %}
    {
        const size_t _vectorisation_idx = -1;
        {{ scalar_code | autoindent }}
        const int _N = {{ constant_or_scalar('N', variables['N']) }};
        for (int _idx = 0; _idx < _N; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{ vector_code | autoindent }}
        }
    }
    {% endif %}
    using namespace rule;
    const int _code = rule::{{ function }}(
        {% for a in arguments %}
        Array<{{ a.ctype }}>{ {{- get_array_name(variables[a.name]) }} + {{ a.start }}, (size_t){{ a.size or '_num' ~ a.name }}}{{ ',' if not loop.last }}
        {% endfor %}
    );
    if (_code != 0 && {{ get_array_name(variables['_fault']) }}[0] == 0)
    {
        {{ get_array_name(variables['_fault']) }}[0] = _code;
        {{ get_array_name(variables['_fault_time']) }}[0] = {{ get_array_name(variables['t']) }}[0];
        Network::_globally_stopped = true;
    }
{% endblock %}
