{# The C++ standalone form of a Kernel: Brian2's own code for the signals, then one call. #}
{# USES_VARIABLES { N, _fault, _fault_time, t } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
#include "network.h"
{{ cpp_text }}
{% endblock %}

{% block maincode %}
{# A view of an argument: Brian2's array or queues, or memory of this code object's own. #}
{% macro view(a) -%}
{%- if a.pathway -%}
Queues{ {{- a.pathway }}.queue.data(), {{ a.pathway }}.queue.size()}
{%- else -%}
Array<{{ a.ctype }}>{
{%- if a.scratch %} _scratch_{{ a.name }}, (size_t){{ a.size }}
{%- else %}{{ get_array_name(variables[a.name]) }} + {{ a.start }}, (size_t){{ a.size or '_num' ~ a.name }}
{%- endif %}}
{%- endif -%}
{%- endmacro %}
    {% for argument in arguments %}{% for a in argument['items'] if a.scratch %}
    static {{ a.ctype }}* const _scratch_{{ a.name }} = ({{ a.ctype }}*)rule::brianlearn::zeros((size_t){{ a.size }} * sizeof({{ a.ctype }}));
    if (!_scratch_{{ a.name }}) throw std::bad_alloc();
    {% endfor %}{% endfor %}
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
        {% for argument in arguments %}
        {% if argument['is_list'] %}Arrays<{{ argument['items'][0].ctype }}>({ {%- for a in argument['items'] %}{{ view(a) }}{{ ', ' if not loop.last }}{% endfor -%} }){% else %}{{ view(argument['items'][0]) }}{% endif %}{{ ',' if not loop.last }}
        {% endfor %}
    );
    if (_code != 0) Network::_globally_stopped = true;
    if (_code > 0 && {{ get_array_name(variables['_fault']) }}[0] == 0)
    {
        {{ get_array_name(variables['_fault']) }}[0] = _code;
        {{ get_array_name(variables['_fault_time']) }}[0] = {{ get_array_name(variables['t']) }}[0];
    }
{% endblock %}
