{# The Cython form of a Kernel: Brian2's own code for the signals, then one call of the C++ form. #}
{# USES_VARIABLES { N, _fault } #}
{# ITERATE_ALL { _idx } #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
cdef extern from *:
    '''
{{ cpp_text }}
{{ cpp_wrapper }}
    '''
    int {{ wrapper }}({{ wrapper_types }})
{% endblock %}

{% block maincode %}
    {% if has_signals %}
    _vectorisation_idx = 1
    {{ scalar_code | autoindent }}
    for _idx in range(N):
        _vectorisation_idx = _idx
        {{ vector_code | autoindent }}
    {% endif %}
    cdef int _code = {{ wrapper }}(
        {% for a in arguments %}
        <{{ a.ctype }}*>{{ get_array_name(variables[a.name]) }} + {{ a.start }}, {{ a.size or '_num' ~ get_array_name(variables[a.name]) }}{{ ',' if not loop.last }}
        {% endfor %}
    )
    if _code != 0:
        _owner._stop_with_fault(_code)
{% endblock %}
